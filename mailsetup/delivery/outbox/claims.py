"""Who works on which message: claims that no two workers can have at once.

PostgreSQL and MySQL 8: rows are locked with SKIP LOCKED and marked in one short transaction.
Elsewhere (SQLite, which has no such lock; Oracle, which locks no limited number) one conditional
UPDATE marks them, and what it really marked is read back.

A claim holds for as long as an attempt can take, and is renewed. One that was lost cannot do harm:
right before a content leaves, the row is marked again under the condition that the claim still
stands.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from mailsetup import conf
from mailsetup.delivery.outbox.due import Due
from mailsetup.delivery.send import BATCH_BYTES
from mailsetup.delivery.statements import Table, run
from mailsetup.models import Message, State
from mailsetup.models.message import UNCLAIMED

_forsaken: "list[Claim]" = []


@dataclass(slots=True)
class Claim:
    """Messages that one worker has to itself for a while.

    Attributes:
        mark: what the rows carry while it stands.
        rows: the messages, in the order in which they go.
        seconds: how long it holds from its making, or from a renewal.
        until: until when it holds.
        renew_at: when it wants renewing.
    """

    mark: uuid.UUID
    rows: list[Message] = field(default_factory=list)
    seconds: float = 0.0
    until: datetime = field(default_factory=timezone.now)
    renew_at: datetime = field(default_factory=timezone.now)

    def holds_from(self, now: datetime, seconds: float) -> None:
        """Note that it holds for that many seconds from *now* on."""
        self.until = now + timedelta(seconds=seconds)
        self.renew_at = self.until - timedelta(seconds=self.seconds * 2 / 3)

    @property
    def stands(self) -> QuerySet[Message]:
        """The rows that still are this claim's, and are not settled."""
        return Message.objects.filter(claim=self.mark, state=State.SENDING)


def claim_due(requested: str, limit: int, *, worker: str, seconds: float = 0.0) -> Claim | None:
    """Claim the most urgent messages that are due.

    Args:
        requested: the profile that they ask for.
        limit: how many at most; fewer where their contents are large.
        worker: who claims them.
        seconds: how long it has to hold at least.
    """
    return _claim(requested, limit, worker, seconds)


def claim_these(
    keys: Sequence[int], requested: str, limit: int, *, worker: str, seconds: float = 0.0
) -> Claim | None:
    """Claim messages by their primary keys, those of them that are due and nobody works on."""
    return _claim(requested, limit, worker, seconds, keys)


def renew(claim: Claim, *, seconds: float = 0.0) -> None:
    """Let a claim hold for longer, for the messages whose content is not on its way.

    Args:
        claim: it.
        seconds: how long it has to hold from now on, at least.
    """
    now = timezone.now()
    if now < claim.renew_at and now + timedelta(seconds=seconds) <= claim.until:
        return
    claim.holds_from(now, max(claim.seconds, seconds))
    claim.stands.filter(leaving=False).update(claimed_until=claim.until)


def give_back(claim: Claim, rows: Iterable[Message], *, unsent: bool = False) -> None:
    """Let messages wait again that were claimed and not tried.

    Args:
        claim: theirs.
        rows: the messages.
        unsent: they are known not to have left, whatever their rows say by now.
    """
    keys = [row.pk for row in rows]
    if keys:
        stands = claim.stands.filter(pk__in=keys)
        if not unsent:
            stands = stands.filter(leaving=False)
        stands.update(**UNCLAIMED, leaving=False)


def forsake(claim: Claim) -> None:
    """Remember a claim of this process that the database kept from being given back."""
    _forsaken.append(claim)


def give_back_forsaken() -> None:
    """Give back, now that the database is there again, what would wait for the claim to be over.

    What may have left is not among it.
    """
    while _forsaken:
        try:
            claim = _forsaken.pop()
        except IndexError:
            # Another thread was faster.
            return
        try:
            claim.stands.filter(leaving=False).update(**UNCLAIMED)
        except (DatabaseError, InterfaceError):
            _forsaken.append(claim)
            raise


def _claim(
    requested: str, limit: int, worker: str, seconds: float, among: Sequence[int] | None = None
) -> Claim | None:
    database = router.db_for_write(Message)
    due = Due(database)
    claim = Claim(uuid.uuid4(), seconds=max(seconds, conf.option("CLAIM_SECONDS")))
    claim.holds_from(timezone.now(), claim.seconds)
    marks = {
        "state": State.SENDING,
        "claim": claim.mark,
        "claimed_until": claim.until,
        "worker": worker[:200],
        "leaving": False,
    }
    has = connections[database].features
    locks = has.has_select_for_update_skip_locked and has.supports_select_for_update_with_limit
    try:
        with transaction.atomic(using=database) if locks else nullcontext():
            keys = _together(due.keys(requested, limit, among=among, locks=locks))
            marked = _mark(keys, marks, database)
        if marked:
            claim.rows = due.claimed(claim.mark, keys)
    except (DatabaseError, InterfaceError):
        # They may be marked all the same, and only the answer of the commit be lost.
        forsake(claim)
        raise
    return claim if marked else None


def _mark(keys: list[int], marks: dict[str, object], database: str) -> int:
    if not keys:
        return 0
    waiting = {"state": State.QUEUED}
    return run([Table(Message, database).update(marks, waiting, keys)], database)


def _together(found: Iterable[tuple[int, bool, int]]) -> list[int]:
    """Return the first ones that are claimed together.

    A message that was there when a worker ended is left by itself, so that the others go on; and
    the contents of all have to fit into memory.
    """
    keys: list[int] = []
    octets = 0
    for key, suspect, size in found:
        octets += size
        if keys and (suspect or octets > BATCH_BYTES):
            return keys
        keys.append(key)
        if suspect:
            return keys
    return keys
