"""Finds what workers left behind, and what is due.

A claim whose worker has ended, or whose time is over, is freed: its messages wait again, but for
those whose content may have been on its way, which are *ambiguous*. A message that was there
each time its worker ended is set aside after the third time, so that the others go on.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import router, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from mailsetup import conf
from mailsetup.delivery import content, tell
from mailsetup.delivery.log.purge import purge_if_due
from mailsetup.delivery.outbox import retry, workers
from mailsetup.delivery.outbox.due import MOST_KEYS
from mailsetup.effective import resolve
from mailsetup.exceptions import ConfigurationError
from mailsetup.models import Attempt, Lease, LogLevel, Message, State
from mailsetup.models.message import UNCLAIMED
from mailsetup.smtp.errors import Outcome, Stage

MOST_CRASHES = 3
# After each of them it waits, or it would meet the same others again, and take them down with it.
CRASH_SECONDS = 30.0
# How long a sweep spends on purging at most; there is more to do for who sweeps.
PURGE_SECONDS = 5.0


@dataclass(slots=True)
class Swept:
    """What a sweep found.

    Attributes:
        freed: messages that wait again.
        ambiguous: messages whose fate is not known.
        set_aside: messages at which a worker ended three times.
        expired: messages whose time was over while they waited.
        due: messages that could be worked on now.
    """

    freed: int = 0
    ambiguous: int = 0
    set_aside: int = 0
    expired: int = 0
    due: int = 0


def sweep() -> Swept:
    """Free what nobody works on any more, count what is due, and purge the log once an hour."""
    swept = Swept()
    for row in _abandoned().only(*_NEEDED):
        _free(row, swept)
    now = timezone.now()
    waiting = Message.objects.filter(state=State.QUEUED)
    swept.expired = _expire(waiting.filter(expires_at__lte=now))
    # Leases of workers that ended long ago.
    Lease.objects.filter(until__lt=now - timedelta(days=1)).delete()
    swept.due = waiting.filter(due_at__lte=now).count()
    purge_if_due(seconds=PURGE_SECONDS)
    return swept


def _expire(over: QuerySet[Message]) -> int:
    """Settle messages whose time is over; their content goes unless the log keeps it.

    They are looked for first, which locks nothing: for an UPDATE that looks for them MySQL locks
    one after the other of all that wait, and meets the workers that claim these.
    """
    expired = last = 0
    found = over.order_by("pk").values_list("pk", flat=True)
    while keys := list(found.filter(pk__gt=last)[:MOST_KEYS]):
        last = keys[-1]
        expired += _expire_these(over.filter(pk__in=keys))
    return expired


def _expire_these(over: QuerySet[Message]) -> int:
    settled = {"state": State.EXPIRED, "settled_at": timezone.now()}
    kept = over.filter(log=LogLevel.CONTENT).update(**settled)
    expired = kept + over.filter(content_file="").update(**settled, content=None)
    for row in over.only("content_file"):
        taken = over.filter(pk=row.pk).update(**settled, content_file="")
        if taken:
            content.drop_file(row.content_file)
        expired += taken
    return expired


_NEEDED = (
    "state",
    "claim",
    "claimed_until",
    "worker",
    "due_at",
    "leaving",
    "crashes",
    "suspect",
    "requested",
    "alias",
    "profile",
    "attempts_made",
    "message_id",
    "recipients",
    "reports_failure",
)


def _abandoned() -> QuerySet[Message]:
    """Return the messages that are claimed by nobody who works."""
    claimed = Message.objects.filter(state=State.SENDING)
    ended = [
        worker
        for worker in claimed.order_by().values_list("worker", flat=True).distinct()
        if worker and workers.has_ended(worker)
    ]
    over = Q(claimed_until__lt=timezone.now()) | Q(claimed_until=None)
    return claimed.filter(over | Q(worker__in=ended))


def _free(row: Message, swept: Swept) -> None:
    if row.leaving:
        _free_doubtful(row, swept)
        return
    crashes = row.crashes + 1 if row.suspect else 0
    if crashes >= MOST_CRASHES:
        reason = gettext_noop("The process that worked on this mail ended %(times)d times.")
        if _take(row, state=State.SET_ASIDE, reason=reason % {"times": crashes}):
            swept.set_aside += 1
            tell.failed(row)
        return
    due = timezone.now() + timedelta(seconds=retry.spread(CRASH_SECONDS * crashes))
    freed = _mine(row).update(
        **UNCLAIMED,
        suspect=True,
        crashes=crashes,
        due_at=due if crashes else row.due_at,
    )
    swept.freed += freed


def _free_doubtful(row: Message, swept: Swept) -> None:
    """Settle a message whose worker ended while its content was on its way, or may have been."""
    reason = gettext_noop(
        "The process that sent this mail ended, or lost its claim, before the server's answer was "
        "written down. Whether the mail was accepted is not known."
    )
    crashes = row.crashes + 1
    resends = _resends(row) and crashes < MOST_CRASHES
    # Whoever sweeps may be killed too: without its attempt nobody would know of the doubt.
    with transaction.atomic(using=router.db_for_write(Message)):
        if not _settle_doubtful(row, reason, crashes, resends=resends):
            return
    swept.ambiguous += 1
    if not resends:
        tell.failed(row)


def _settle_doubtful(row: Message, reason: str, crashes: int, *, resends: bool) -> bool:
    """Write down a doubt; what ends its worker each time is not sent again for ever."""
    number = row.attempts_made + 1
    if resends:
        due = timezone.now() + timedelta(seconds=retry.delay(number, conf.option("RETRY_DELAYS")))
        taken = _mine(row).update(
            **UNCLAIMED,
            leaving=False,
            suspect=True,
            crashes=crashes,
            attempts_made=number,
            due_at=due,
            reason=reason,
        )
    else:
        taken = _take(row, state=State.AMBIGUOUS, reason=reason, attempts_made=number)
    if not taken:
        return False
    Attempt.objects.create(
        message_id=row.pk,
        number=number,
        profile=row.profile,
        stage=Stage.CONTENT,
        outcome=Outcome.AMBIGUOUS,
        error=reason,
    )
    return True


def _take(row: Message, *, state: State, reason: str, **more: object) -> bool:
    """Settle a message for somebody to look at; tell whether nobody else did meanwhile.

    The claim's mark stays: an answer that comes late after all is still written down.
    """
    attention = not row.reports_failure
    taken = _mine(row).update(
        state=state,
        reason=reason,
        needs_attention=attention,
        settled_at=timezone.now(),
        claimed_until=None,
        **more,
    )
    if taken:
        row.state, row.reason = state, reason
    return bool(taken)


def _mine(row: Message) -> QuerySet[Message]:
    """Return the row as it was read; nothing if it was renewed or settled since."""
    return Message.objects.filter(
        pk=row.pk,
        state=State.SENDING,
        claim=row.claim,
        claimed_until=row.claimed_until,
        leaving=row.leaving,
    )


def _resends(row: Message) -> bool:
    try:
        effective = resolve(row.requested or None, alias=row.alias or None)
    except ConfigurationError:
        return False
    return bool(effective["on_ambiguous"] == "resend")
