"""What a person does with messages: send again, send now, cancel, mark as dealt with, resume.

Each is a conditional UPDATE or one INSERT, so that a worker that has a message at the same moment
keeps it: only what still waits can be hurried or canceled.
"""

from collections.abc import Sequence
from email.utils import formatdate
from functools import partial

from django.db import IntegrityError, router, transaction
from django.db.models import Case, F, QuerySet, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from mailsetup.delivery import compose, content
from mailsetup.delivery.addresses import envelope_address
from mailsetup.delivery.outbox import engines, standing
from mailsetup.effective import Effective
from mailsetup.models import LogLevel, Message, ProfileState, State
from mailsetup.models.message import SETTLED
from mailsetup.signals import message_queued

# More than these the engine is not told of one by one; its sweep finds them within seconds.
MOST_TOLD = 1000


class NotPossibleError(ValueError):
    """The message is not in a state that allows it; the text says why."""


def why_not_resend(row: Message) -> str:
    """Return why a message cannot be sent again; "" where it can."""
    if row.state not in SETTLED:
        return _("It is still waiting and will be sent by itself.")
    if not (row.recipients and isinstance(row.recipients, list)):
        return _("It names no recipients.")
    if not row.has_content:
        return _("Its content is not kept, so there is nothing to send again.")
    return ""


def resend(row: Message, to: str | None = None, *, once: str = "") -> Message:
    """Send a settled message again, as a new one with a Message-ID of its own.

    Args:
        row: the message. It is marked as dealt with.
        to: another address that gets it instead of its recipients.
        once: a mark of the press of a button; a second one with it sends nothing.

    Returns:
        The new message, which waits in the outbox.

    Raises:
        NotPossibleError: it still waits, its content is not kept, or *once* was there before.
        ContentUnavailableError: its content cannot be read.
        ValueError: the address is invalid.
    """
    if reason := why_not_resend(row):
        raise NotPossibleError(reason)
    octets, recipe = content.read(row), dict(row.recipe)
    message_id = compose.new_message_id(row.from_email or str(recipe.get("from") or ""))
    changes = [("Message-ID", message_id), ("Date", formatdate(usegmt=True))]
    recipients = list(row.recipients)
    if to:
        address = envelope_address(to)
        recipients = [address.address]
        recipe["utf8"] = recipe.get("utf8", False) or address.smtputf8
        # Nobody in Cc gets this one.
        changes += [("To", address.address), ("Cc", "")]
    octets = content.with_headers(octets, changes, smtputf8=recipe.get("utf8", False))
    new = _copy(row, message_id, recipients, recipe, len(octets))
    new.idempotency_key = f"mailsetup-resend:{row.pk}:{once}"[:200] if once else None
    content.keep(new, octets)
    _insert(new)
    Message.objects.filter(pk=row.pk).update(needs_attention=False)
    return new


def _copy(
    row: Message, message_id: str, recipients: list[str], recipe: dict[str, object], size: int
) -> Message:
    words = [*recipients, row.from_email, row.subject, message_id]
    return Message(
        state=State.QUEUED,
        background=True,
        requested=row.requested,
        alias=row.alias,
        profile=row.profile,
        priority=row.priority,
        app=row.app,
        caller=row.caller,
        message_id=message_id[:255],
        from_email=row.from_email,
        recipients=recipients,
        subject=row.subject,
        size=size,
        search="\n".join(words).lower(),
        log=row.log,
        recipe=recipe,
        reports_failure=row.reports_failure,
        resent_from=row.pk,
    )


def _insert(new: Message) -> None:
    database = router.db_for_write(Message)
    try:
        with transaction.atomic(using=database):
            new.save(using=database, force_insert=True)
            transaction.on_commit(partial(_tell_of_new, new), using=database)
    except BaseException as error:
        content.drop_file(new.content_file)
        if isinstance(error, IntegrityError) and new.idempotency_key:
            raise NotPossibleError(_("It was sent again a moment ago.")) from None
        raise


def _tell_of_new(new: Message) -> None:
    message_queued.send_robust(sender=Message, message=new)
    engines.notify([new.pk])


def send_now(rows: QuerySet[Message]) -> int:
    """Let waiting messages be tried at once; return how many.

    Args:
        rows: the messages; those that do not wait are passed over.
    """
    now = timezone.now()
    waiting = rows.filter(state=State.QUEUED)
    keys = _most_urgent(waiting)
    count = waiting.order_by().update(due_at=now)
    _tell(keys, waiting.db)
    return count


def cancel(rows: QuerySet[Message]) -> int:
    """Cancel waiting messages; return how many.

    Their content is deleted where the profile does not keep it.

    Args:
        rows: the messages; one that a worker has already is not canceled.
    """
    database = router.db_for_write(Message)
    waiting = rows.using(database).filter(state=State.QUEUED).order_by()
    with transaction.atomic(using=database):
        files = dict(
            waiting.exclude(content_file="")
            .exclude(log=LogLevel.CONTENT)
            .values_list("pk", "content_file")
        )
        count = waiting.update(
            state=State.CANCELED,
            settled_at=timezone.now(),
            reason=gettext_noop("Canceled by a person."),
            needs_attention=False,
            claim=None,
            content=Case(When(log=LogLevel.CONTENT, then=F("content"))),
        )
        canceled = Message.objects.using(database).filter(state=State.CANCELED)
        gone = canceled.filter(pk__in=list(files))
        dropped = [files[pk] for pk in gone.values_list("pk", flat=True)]
        gone.update(content_file="")
        transaction.on_commit(partial(_drop_files, dropped), using=database)
    return count


def _drop_files(names: Sequence[str]) -> None:
    for name in names:
        content.drop_file(name)


def deal_with(rows: QuerySet[Message]) -> int:
    """Mark messages as dealt with, so that nothing reports them any more; return how many."""
    return rows.filter(needs_attention=True).order_by().update(needs_attention=False)


def resume(slug: str) -> bool:
    """Lift a profile's stop or hold and let its mail go on; tell whether there was one.

    Args:
        slug: the profile's name.
    """
    if not standing.resume(slug):
        return False
    go_on(slug)
    return True


def remember_test(profile: Effective, *, passed: bool, stage: str) -> None:
    """Remember how a test of a profile ended; one that passed lifts its stop or hold.

    Args:
        profile: what was tested, as it is in force.
        passed: whether the server took the mail, or the login where only that was asked.
        stage: the stage at which it failed, or "".
    """
    ProfileState.record_test(
        profile.slug, passed=passed, stage=stage, settings=profile.test_fingerprint
    )
    if passed:
        resume(profile.slug)


def go_on(slug: str) -> None:
    """Tell the engine that a profile's mail may go: something has changed about it.

    Args:
        slug: the profile's name.
    """
    now = timezone.now()
    waiting = Message.objects.filter(state=State.QUEUED)
    # What waits for a profile that was missing, switched off or could not be used: a reason, and
    # no attempt. Those that named no profile wait for whichever is the default one.
    kept = waiting.filter(requested__in=[slug, ""], attempts_made=0, due_at__gt=now)
    kept = kept.exclude(reason="")
    keys = _most_urgent(kept)
    kept.update(due_at=now)
    keys += _most_urgent(waiting.filter(profile=slug, due_at__lte=now))
    _tell([*dict.fromkeys(keys)][:MOST_TOLD], waiting.db)


def _most_urgent(rows: QuerySet[Message]) -> list[int]:
    return list(rows.order_by("priority", "due_at").values_list("pk", flat=True)[:MOST_TOLD])


def _tell(keys: list[int], database: str) -> None:
    if keys:
        transaction.on_commit(partial(engines.notify, keys), using=database)
