"""What was sent, what waits in the background, and sending it now."""

from collections.abc import Iterable
from datetime import timedelta

from django.core import mail
from django.utils import timezone

from mailsetup.delivery.outbox import courier, workers
from mailsetup.models import Message, ProfileState, State
from mailsetup.redaction import redact

from .server import Mail
from .site import current_server

# Messages claimed at once.
BATCH = 100


def outbox() -> list[Mail]:
    """Return the mails that arrived at the server of `use_mailsetup`, in order."""
    return list(current_server().mails)


def queued() -> list[Message]:
    """Return the messages that wait in the background, in the order in which they were left."""
    return list(Message.objects.filter(state=State.QUEUED).order_by("pk"))


def deliver_all(*, skip_waits: bool = False) -> int:
    """Send what waits in the background and is due, here and now, in this thread.

    Nothing else sends it while `use_mailsetup` is in force: no engine is told of new mail. It
    works inside the transaction that ``TestCase`` puts around a test.

    Args:
        skip_waits: send what is not due yet too, once: mails with a time to be sent at, those
            that are to be tried again later, and those of a profile that is held back.

    Returns:
        How many messages were worked on.
    """
    current_server()
    if skip_waits:
        now = timezone.now()
        Message.objects.filter(state=State.QUEUED, due_at__gt=now).update(due_at=now)
        # One message probes a profile that was held; the others follow.
        past = now - timedelta(seconds=1)
        ProfileState.objects.filter(held_until__gt=now).update(held_until=past)
    handled = 0
    while count := courier.work_once(BATCH, worker=workers.identity()):
        handled += count
    return handled


def assert_sent(
    *, to: str | Iterable[str] | None = None, subject: str | None = None, count: int | None = None
) -> list[Mail]:
    """Check that mails arrived at the server, and return them.

    Args:
        to: one or more addresses that must be among a mail's recipients.
        subject: its subject.
        count: how many such mails there must be; by default at least one.

    Raises:
        AssertionError: there are none, or not that many; it tells what did arrive.
    """
    wanted = _addresses(to)
    mails = outbox()
    found = [
        each
        for each in mails
        if wanted <= _addresses(each.recipients) and subject in {None, each.subject}
    ]
    _check(len(found), count, _wanted(to, subject), [_told(m.recipients, m.subject) for m in mails])
    return found


def assert_queued(
    *, to: str | Iterable[str] | None = None, subject: str | None = None, count: int | None = None
) -> list[Message]:
    """Check that messages wait in the background, and return their rows.

    Args:
        to: one or more addresses that must be among a message's recipients.
        subject: its subject, as the app gave it; the row keeps it without links and codes.
        count: how many such messages there must be; by default at least one.

    Raises:
        AssertionError: there are none, or not that many; it tells what does wait.
    """
    wanted = _addresses(to)
    rows = queued()
    kept = None if subject is None else redact(subject)[:500]
    found = [
        row
        for row in rows
        if wanted <= _addresses(row.recipients) and (kept is None or row.subject == kept)
    ]
    _check(len(found), count, _wanted(to, subject), [_told(r.recipients, r.subject) for r in rows])
    return found


def assert_nothing_sent() -> None:
    """Check that no mail arrived, at Django's own outbox neither.

    Raises:
        AssertionError: some did; it tells which.
    """
    told = [_told(each.recipients, each.subject) for each in outbox()]
    told += [_told(each.recipients(), each.subject) for each in getattr(mail, "outbox", [])]
    _check(len(told), 0, "any", told)


def _addresses(to: str | Iterable[str] | None) -> set[str]:
    if to is None:
        return set()
    return {each.lower() for each in ([to] if isinstance(to, str) else to)}


def _wanted(to: str | Iterable[str] | None, subject: str | None) -> str:
    parts = [f"to {', '.join(sorted(_addresses(to)))}"] if to is not None else []
    parts += [f"with the subject {subject!r}"] if subject is not None else []
    return " ".join(parts) or "any"


def _told(recipients: Iterable[str], subject: str) -> str:
    return f"{subject!r} to {', '.join(recipients)}"


def _check(number: int, count: int | None, wanted: str, there: list[str]) -> None:
    if number == count or (count is None and number):
        return
    expected = "at least one" if count is None else str(count)
    seen = "".join(f"\n  {each}" for each in there) or " none"
    raise AssertionError(f"Mails {wanted}: {number}, not {expected}. There are:{seen}")
