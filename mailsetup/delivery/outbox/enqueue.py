"""Puts mails into the outbox, inside the caller's transaction.

The row is the truth: a rollback takes the mail along, and the engine hears of it once the
transaction is through, by its primary key alone.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from uuid import uuid4

from django.core.mail import EmailMessage
from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mailsetup.delivery import compose, content, rows, tell
from mailsetup.delivery.log.caller import Caller, who_asks
from mailsetup.delivery.log.facts import facts
from mailsetup.delivery.outbox import engines, wishes
from mailsetup.delivery.outbox.wishes import Wishes
from mailsetup.delivery.reporting import is_reporting
from mailsetup.delivery.send import Settled
from mailsetup.delivery.statements import turn
from mailsetup.effective import Effective
from mailsetup.effective.threads import in_event_loop, in_thread, is_inherited
from mailsetup.exceptions import OutboxUnavailableError
from mailsetup.models import Message, State
from mailsetup.models.tables import turns_writers_away


def enqueue(
    messages: Sequence[tuple[EmailMessage, Wishes]],
    effective: Effective,
    *,
    requested: str,
    alias: str,
    sender: type,
) -> list[Settled]:
    """Put mails into the outbox; one that cannot be composed does not keep the others out.

    Args:
        messages: each with what its headers ask for.
        effective: the profile that serves now; another one may when they are sent.
        requested: the profile that the mailer's OPTIONS name, or "".
        alias: the mailer of Django 6.1, or "".
        sender: what the signals name as their sender.

    Returns:
        What became of each, in order. One whose idempotency key was used before is as good as
        stored.

    Raises:
        OutboxUnavailableError: the database does not take them; nothing was stored.
    """
    caller = who_asks()
    queue: list[Message] = []
    emails: list[EmailMessage] = []
    settled: list[Settled] = []
    for message, asked in messages:
        try:
            row = _row(message, asked, effective, requested, alias, caller)
        except Exception as error:  # noqa: BLE001 - raised to the caller after the others are in
            settled.append(Settled(message, sent=False, error=error))
        else:
            queue.append(row)
            emails.append(message)
            settled.append(Settled(message, sent=True))
    try:
        elsewhere = in_event_loop() or is_inherited(router.db_for_write(Message))
        insert = in_thread if elsewhere else _call
        insert(_insert, queue, emails, sender)
    except (DatabaseError, InterfaceError) as error:
        for row in queue:
            content.drop_file(row.content_file)
        raise OutboxUnavailableError(_why(error)) from error
    return settled


def _why(error: Exception) -> str:
    """Return why the database does not take a mail, and what cures it where that is known."""
    reason = str(error).strip() or type(error).__name__
    told = _("The mail could not be put into the outbox (%(reason)s).") % {"reason": reason}
    if "locked" not in reason or not turns_writers_away(router.db_for_write(Message)):
        return told
    return told + " " + _('Set "transaction_mode": "IMMEDIATE" in the OPTIONS of the database.')


def _row(  # noqa: PLR0917
    message: EmailMessage,
    asked: Wishes,
    effective: Effective,
    requested: str,
    alias: str,
    caller: Caller,
) -> Message:
    frozen = content.freeze(message, effective)
    priority = wishes.priority_of(caller.app) if asked.priority is None else asked.priority
    sender = compose.identity(frozen.recipe["from"], effective.sender_rules).sender
    row = Message(
        state=State.QUEUED,
        background=True,
        requested=requested,
        alias=alias,
        profile=effective.slug,
        priority=priority,
        due_at=asked.send_at or timezone.now(),
        expires_at=asked.expires_at,
        idempotency_key=asked.idempotency_key,
        size=len(frozen.content),
        log=effective["log"],
        recipe=frozen.recipe,
        reports_failure=is_reporting(),
        **facts(message.subject, sender, frozen.recipients, frozen.message_id, caller),
    )
    content.keep(row, frozen.content)
    return row


def _call(function: Callable[..., None], *args: Any) -> None:
    function(*args)


def _insert(queue: Sequence[Message], emails: Sequence[EmailMessage], sender: type) -> None:
    database = router.db_for_write(Message)
    plain = [row for row in queue if row.idempotency_key is None]
    is_one = len(plain) == len(queue) == 1
    with turn.of(connections[database]), _transaction(is_one, database):
        _insert_plain(plain, database)
        again = {
            id(row) for row in queue if row.idempotency_key and not _insert_once(row, database)
        }
        stored = [
            (row, email) for row, email in zip(queue, emails, strict=True) if id(row) not in again
        ]
        tell.queued(stored, sender)
    if stored:
        keys = [row.pk for row, _email in stored]
        transaction.on_commit(partial(engines.notify, keys), using=database)


def _transaction(is_one: bool, database: str) -> AbstractContextManager[None]:
    """Join the caller's transaction, or begin one; a single INSERT outside of any is one itself."""
    if is_one and transaction.get_autocommit(using=database):
        return nullcontext()
    return transaction.atomic(using=database)


def _insert_plain(queue: Sequence[Message], database: str) -> None:
    connection = connections[database]
    if not rows.can_insert(connection):
        Message.objects.using(database).bulk_create(queue, batch_size=200)
    elif queue:
        keys = rows.insert(Message, [vars(row) for row in queue], connection)
        for row, key in zip(queue, keys, strict=True):
            row.pk = key
            # As the ORM leaves a row that it has inserted.
            row._state.adding, row._state.db = False, database


def _insert_once(row: Message, database: str) -> bool:
    """Insert a row unless its key is there; a clash does not break the transaction."""
    # Tells this row from one that was there before: the mark of a claim that nobody holds.
    row.claim = uuid4()
    manager = Message.objects.using(database)
    manager.bulk_create([row], ignore_conflicts=True)
    found = manager.filter(idempotency_key=row.idempotency_key).values_list("pk", "claim")
    # Where another's row is hidden from a transaction that began before, a lock still finds it.
    pk, claim = found.first() or found.select_for_update().get()
    if claim != row.claim:
        content.drop_file(row.content_file)
        return False
    row.pk = pk
    return True
