"""Claims messages of the outbox, sends them over kept connections, and settles each by itself.

The one place where the outbox meets the transport. No transaction is open while a server is
spoken to. Workers and engines differ only in when they call :func:`work_once` or :func:`work_on`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, router
from django.utils import timezone
from django.utils.translation import gettext_noop

from mailsetup.delivery import content, tell
from mailsetup.delivery.log.sentences import in_english
from mailsetup.delivery.outbox import claims
from mailsetup.delivery.outbox.claims import Claim
from mailsetup.delivery.outbox.due import MOST_KEYS, Due
from mailsetup.delivery.outbox.journal import Journal
from mailsetup.delivery.outbox.seats import seats
from mailsetup.delivery.outbox.settle import Judged
from mailsetup.delivery.outbox.standing import UNUSABLE_SECONDS, Standing
from mailsetup.delivery.send import BATCH_BYTES
from mailsetup.effective import Effective, resolve
from mailsetup.exceptions import ConfigurationError, ContentUnavailableError, NoProfileError
from mailsetup.models import LogLevel, Message, State
from mailsetup.models.message import UNCLAIMED
from mailsetup.smtp.errors import Outcome, PoolTimeoutError, Stage, WithdrawnError
from mailsetup.smtp.pool import pool
from mailsetup.smtp.session import Envelope, Receipt

# How long a quota holds a profile of which nobody knows when it begins anew.
QUOTA_SECONDS = 3600.0


def _always() -> bool:
    return True


def _unheard(number: int) -> None:
    """Nobody wants to know."""


def work_once(
    limit: int,
    *,
    worker: str,
    goes_on: Callable[[], bool] = _always,
    claimed: Callable[[int], None] = _unheard,
) -> int:
    """Claim what is due, send it and settle it.

    Args:
        limit: how many messages to claim at most.
        worker: the claim's owner, from :func:`mailsetup.delivery.outbox.workers.identity`.
        goes_on: asked before each message; False gives back what is left of the claim.
        claimed: told how many messages were claimed, before the first of them is sent.

    Returns:
        How many messages were handled; 0: nothing is due that may go now.

    Raises:
        DatabaseError, InterfaceError: the database failed; what was claimed is given back by the
            next call that finds it well, or freed by the sweep.
    """
    claims.give_back_forsaken()
    for requested in Due(router.db_for_write(Message)).most_urgent():

        def claim_some(number: int, requested: str = requested, **options: Any) -> Claim | None:
            claim = claims.claim_due(requested, number, worker=worker, **options)
            if claim is not None:
                claimed(len(claim.rows))
            return claim

        handled = _work_for(requested, worker, goes_on, claim_some, limit)
        if handled:
            return handled
    return 0


def work_on(keys: Sequence[int], *, worker: str, goes_on: Callable[[], bool] = _always) -> int:
    """Send these messages, those of them that are due and nobody works on.

    Args:
        keys: primary keys, as an engine carries them.
        worker, goes_on: as for :func:`work_once`.
    """
    claims.give_back_forsaken()
    handled = 0
    for start in range(0, len(keys), MOST_KEYS):
        some = keys[start : start + MOST_KEYS]
        waiting = Message.objects.filter(pk__in=some, state=State.QUEUED)
        for requested in set(waiting.order_by().values_list("requested", flat=True)):
            claim_some = partial(claims.claim_these, some, requested, worker=worker)
            handled += _work_for(requested, worker, goes_on, claim_some, len(some))
    return handled


def _work_for(
    requested: str,
    worker: str,
    goes_on: Callable[[], bool],
    claim_some: Callable[..., Claim | None],
    limit: int,
) -> int:
    """Work on messages that ask for one profile; 0 where they have to wait."""
    try:
        effective = _profile_of(requested)
    except ConfigurationError as error:
        return _postpone(claim_some(limit), in_english(str(error)))
    standing = Standing(effective)
    if standing.is_stopped or standing.is_held:
        return 0
    if not seats.take(effective.slug, effective.account.max_connections):
        return 0
    try:
        if not standing.may_sign_in(worker):
            return 0
        if standing.wants_probe:
            if not standing.take_probe():
                return 0
            limit = 1
        claim = claim_some(limit, seconds=_longest(effective))
        return _deliver(claim, standing, goes_on) if claim is not None else 0
    finally:
        # First, because it cannot fail: without a seat this process never works on it again.
        seats.leave(effective.slug)
        standing.let_others_sign_in()


def _longest(effective: Effective) -> float:
    """Return the seconds for which a claim has to hold: longer than until the next renewal."""
    account = effective.account
    return 1.5 * (account.time_to_open() + account.time_to_send(0, account.in_flight))


def _profile_of(requested: str) -> Effective:
    """Return the profile in force for what messages ask for.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    try:
        effective = resolve(requested or None)
    except NoProfileError:
        # On Django 6.1 the site's own server may stand in the OPTIONS of the mailer.
        waiting = Message.objects.filter(state=State.QUEUED, requested=requested)
        alias = waiting.exclude(alias="").values_list("alias", flat=True).first()
        if alias is None:
            raise
        effective = resolve(requested or None, alias=alias)
    effective.require_usable()
    return effective


def _postpone(claim: Claim | None, reason: str) -> int:
    """Let messages wait for a profile that is missing, switched off or cannot be used."""
    if claim is None:
        return 0
    due = timezone.now() + timedelta(seconds=UNUSABLE_SECONDS)
    claim.stands.update(**UNCLAIMED, due_at=due, reason=reason)
    return len(claim.rows)


def _deliver(claim: Claim, standing: Standing, goes_on: Callable[[], bool]) -> int:
    try:
        return _send_all(claim, standing, goes_on)
    except (DatabaseError, InterfaceError):
        claims.forsake(claim)
        raise


def _send_all(claim: Claim, standing: Standing, goes_on: Callable[[], bool]) -> int:
    journal = Journal(claim, standing, goes_on)
    left: list[Message] = []
    try:
        rows = list(_still_wanted(claim, standing.effective))
        journal.handled += len(claim.rows) - len(rows)
        for batch in _batches(rows):
            if left or not journal.goes_on():
                left += batch
            else:
                left += _send(batch, journal)
        # Before the message is free again, or the next worker would not know.
        _conclude(journal)
    finally:
        journal.flush()
    claims.give_back(claim, left, unsent=True)
    return journal.handled


def _still_wanted(claim: Claim, effective: Effective) -> Iterator[Message]:
    """Give out the messages that are to go; settle those whose time is over."""
    now = timezone.now()
    for row in claim.rows:
        if row.expires_at is not None and row.expires_at <= now:
            _end(claim, row, State.EXPIRED)
        elif effective["do_not_send"]:
            _end(claim, row, State.DROPPED)
        else:
            yield row


def _end(claim: Claim, row: Message, state: State, reason: str = "") -> None:
    """Settle a message without an attempt."""
    is_trouble = state == State.SET_ASIDE
    values: dict[str, Any] = {
        "state": state,
        "reason": reason,
        "settled_at": timezone.now(),
        "claimed_until": None,
        "needs_attention": is_trouble and not row.reports_failure,
    }
    drops = not is_trouble and row.log != LogLevel.CONTENT
    if drops:
        values |= {"content": None, "content_file": ""}
    if claim.stands.filter(pk=row.pk).update(**values) and drops:
        content.drop_file(row.content_file)
    row.state, row.reason = state, reason
    if is_trouble:
        tell.failed(row)


def _batches(rows: Iterable[Message]) -> Iterator[list[Message]]:
    """Part messages, so that what lies in memory at once is bounded."""
    batch: list[Message] = []
    size = 0
    for row in rows:
        if batch and size + row.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch


def _send(rows: Sequence[Message], journal: Journal) -> list[Message]:
    """Send a batch and return the messages that were not tried."""
    envelopes: list[Envelope] = []
    ready: list[Message] = []
    for row in rows:
        try:
            envelopes.append(content.thaw(row, journal.effective))
            ready.append(row)
        except Exception as error:  # noqa: BLE001 - whatever stands in the row, the others go
            _end(journal.claim, row, State.SET_ASIDE, _why(error))
            journal.handled += 1
    if not ready:
        return []
    journal.follow(envelopes, ready)
    try:
        receipts = pool.send(journal.effective.account, envelopes, watch=journal)
    except ConfigurationError as error:
        # The secret cannot be opened; nothing was sent.
        journal.standing.hold(UNUSABLE_SECONDS, in_english(str(error)))
        return ready
    return _untried(list(zip(ready, receipts, strict=True)), journal)


def _untried(pairs: Sequence[tuple[Message, Receipt]], journal: Journal) -> list[Message]:
    """Return the messages left unsent; the first one bears the reason, for all of them."""
    left = [(row, receipt) for row, receipt in pairs if receipt.unsent]
    withdrawn = [row for row, receipt in pairs if isinstance(receipt.error, WithdrawnError)]
    if not left:
        return withdrawn
    row, receipt = left[0]
    error = receipt.error
    if isinstance(error, (WithdrawnError, PoolTimeoutError)) or error is None:
        return [row for row, _receipt in left]
    nothing_worked = journal.handled == 0
    judged = journal.settle(row, receipt)
    if nothing_worked and journal.trouble is None:
        # It closes each connection before anything is sent: so it would for the next one.
        journal.trouble = judged
    return [row for row, _receipt in left[1:]]


def _conclude(journal: Journal) -> None:
    """Have the profile wait, or stop, where every other mail would meet the same."""
    trouble, standing = journal.trouble, journal.standing
    if trouble is None:
        return
    reason = str(trouble.error)
    if trouble.outcome is Outcome.STOP_PROFILE:
        standing.refused(trouble.error)
    elif trouble.outcome is Outcome.HOLD:
        standing.hold(trouble.hold_seconds or QUOTA_SECONDS, reason)
    elif not (
        _is_crowded(trouble) and seats.one_less(standing.slug, elsewhere=standing.worked_lately)
    ):
        standing.out_of_reach(reason)


def _is_crowded(trouble: Judged) -> bool:
    """Tell whether the server turned this connection away, not the profile: others may go on."""
    if trouble.cause == "too_many_connections":
        return True
    return trouble.error.stage is Stage.GREETING and trouble.error.code == 421


def _why(error: Exception) -> str:
    if isinstance(error, (ContentUnavailableError, ValueError)):
        return in_english(str(error))
    return gettext_noop("What is stored of this mail cannot be used (%(reason)s).") % {
        "reason": f"{type(error).__name__}: {error}"
    }
