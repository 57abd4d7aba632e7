"""Deletes what the mail log keeps no longer: old messages, old contents, files of no message.

By age and by size, as the settings say. Messages that wait, are being sent, or have failed and
not been dealt with stay. It deletes in small transactions, so that nobody waits for it for long,
and may end in the midst: the next run goes on.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import uuid4

from django.core.files.storage import Storage
from django.db import DatabaseError, InterfaceError, router, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mailsetup import conf
from mailsetup.delivery import content, moments
from mailsetup.delivery.outbox import workers
from mailsetup.delivery.reporting import report
from mailsetup.models import Lease, Message
from mailsetup.models.message import SETTLED

# Messages in one transaction.
CHUNK: Final = 500
# Seconds between two runs by themselves, and until one goes on that was cut short; how long a
# process does not ask again whether it is time.
PERIOD: Final = 3600.0
SOON: Final = 60.0
LOOK_AGAIN: Final = 300.0
# A file is written before its message is stored; this much later it belongs to none.
ORPHANED_AFTER: Final = timedelta(days=1)
_NAME: Final = re.compile(r"[0-9a-f]{32}(?:_\w+)?")
_FOLDER: Final = re.compile(r"[0-9a-f]{2}")

# Monotonic time of this process's next look.
_next_look = 0.0

_HAS_CONTENT: Final = Q(content__isnull=False) | ~Q(content_file="")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept. None is no limit.

    Attributes:
        days: of a message, since it was settled.
        content_days: of a content, since its message was settled.
        rows: settled messages, the newest.
        content_bytes: octets of contents, the newest, as their messages' sizes tell them.
        troubled: whether messages that want attention may go too.
    """

    days: float | None = field(default_factory=lambda: conf.option("LOG_DAYS"))
    content_days: float | None = field(default_factory=lambda: conf.option("CONTENT_DAYS"))
    rows: int | None = field(default_factory=lambda: conf.option("LOG_ROWS"))
    content_bytes: int | None = field(default_factory=lambda: conf.option("CONTENT_BYTES"))
    troubled: bool = False


@dataclass(slots=True)
class Purged:
    """What was deleted, or would be.

    Attributes:
        messages: messages, with their attempts and contents.
        contents: contents of messages that stay.
        files: files that belonged to no message.
        finished: whether there was time for all.
    """

    messages: int = 0
    contents: int = 0
    files: int = 0
    finished: bool = True


def purge(
    limits: Limits | None = None, *, dry_run: bool = False, seconds: float | None = None
) -> Purged:
    """Delete what is over the limits.

    Args:
        limits: what is kept; by default as the settings say.
        dry_run: only count.
        seconds: after which it ends in the midst; None for never.

    Raises:
        DatabaseError: the database does not take it; what was deleted before stays so.
    """
    limits = limits or Limits()
    ends = None if seconds is None else monotonic() + seconds
    old, contents = _over(limits), _contents_over(limits)
    if dry_run:
        going = old.values("pk")
        return Purged(old.count(), contents.exclude(pk__in=going).count(), len(list(_orphans())))
    purged = Purged()
    for chunk in _chunks(old, ends, purged):
        purged.messages += _delete(chunk)
    for chunk in _chunks(contents, ends, purged):
        purged.contents += _drop_contents(chunk)
    for storage, name in _orphans():
        if _is_over(ends, purged):
            break
        storage.delete(name)
        purged.files += 1
    return purged


def purge_if_due(*, seconds: float | None = None) -> Purged | None:
    """Purge unless somebody did within the hour; never raises.

    Args:
        seconds: after which it ends in the midst, to go on a minute later.

    Returns:
        What was deleted; None where it was not due, or failed, which is logged.
    """
    global _next_look  # noqa: PLW0603 - one memory a process
    if monotonic() < _next_look:
        return None
    _next_look = monotonic() + LOOK_AGAIN
    # Another holder each time: the lease is the hour itself, nobody's turn.
    holder = f"{workers.identity()}/{uuid4().hex}"[:200]
    try:
        if not Lease.take("purge", holder, PERIOD):
            return None
        purged = purge(seconds=seconds)
        if not purged.finished:
            _next_look = monotonic() + SOON
            again = timezone.now() + timedelta(seconds=SOON)
            Lease.objects.filter(name="purge", holder=holder).update(until=again)
    except (DatabaseError, InterfaceError, OSError) as error:
        report(logging.WARNING, "The mail log could not be purged: %s", error)
        return None
    return purged


def _settled(limits: Limits) -> QuerySet[Message]:
    """Return the messages that may be touched."""
    database = router.db_for_write(Message)
    settled = Message.objects.using(database).filter(state__in=[str(state) for state in SETTLED])
    return settled if limits.troubled else settled.filter(needs_attention=False)


def _over(limits: Limits) -> QuerySet[Message]:
    over = Q(pk=None)
    if limits.days is not None:
        over |= _before(timezone.now() - timedelta(days=limits.days))
    if limits.rows is not None:
        newest = _settled(limits).order_by("-pk").values_list("pk", flat=True)
        if (first := newest[limits.rows : limits.rows + 1].first()) is not None:
            over |= Q(pk__lte=first)
    return _settled(limits).filter(over)


def _before(moment: datetime) -> Q:
    # By the column that has an index first; one sent on a later day was created long before.
    settled = Q(settled_at__lt=moment) | Q(settled_at=None)
    return Q(created_at__lt=moment) & settled


def _contents_over(limits: Limits) -> QuerySet[Message]:
    kept = _settled(limits).filter(_HAS_CONTENT)
    over = Q(pk=None)
    if limits.content_days is not None:
        over |= _before(timezone.now() - timedelta(days=limits.content_days))
    if limits.content_bytes is not None:
        total = 0
        for pk, size in kept.order_by("-pk").values_list("pk", "size").iterator():
            total += size
            if total > limits.content_bytes:
                over |= Q(pk__lte=pk)
                break
    return kept.filter(over)


def _chunks(
    messages: QuerySet[Message], ends: float | None, purged: Purged
) -> Iterator[QuerySet[Message]]:
    """Yield the messages, the oldest first, in parts; each has to be dealt with before the next."""
    last = 0
    while not _is_over(ends, purged):
        keys = list(
            messages.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]
        )
        if not keys:
            return
        last = keys[-1]
        # Under its conditions again: somebody may have sent one of them again meanwhile.
        yield messages.filter(pk__in=keys)


def _is_over(ends: float | None, purged: Purged) -> bool:
    if ends is None or monotonic() < ends:
        return False
    purged.finished = False
    return True


def _delete(messages: QuerySet[Message]) -> int:
    with transaction.atomic(using=messages.db):
        rows = dict(_locked(messages).values_list("pk", "content_file"))
        Message.objects.using(messages.db).filter(pk__in=rows).only("pk").delete()
    for name in filter(None, rows.values()):
        content.drop_file(name)
    return len(rows)


def _drop_contents(messages: QuerySet[Message]) -> int:
    with transaction.atomic(using=messages.db):
        rows = dict(_locked(messages).values_list("pk", "content_file"))
        kept = Message.objects.using(messages.db).filter(pk__in=rows)
        kept.update(content=None, content_file="")
    for name in filter(None, rows.values()):
        content.drop_file(name)
    return len(rows)


def _locked(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Return the messages nobody else works on, kept from them until the transaction ends."""
    skips = transaction.get_connection(messages.db).features.has_select_for_update_skip_locked
    return messages.select_for_update(skip_locked=skips)


def _orphans() -> Iterator[tuple[Storage, str]]:
    """Yield the files, each with its storage, that are of no message.

    Only what has a name as our files have: the storage may be another's too.
    """
    storage = content.content_storage()
    if storage is None:
        return
    before = timezone.now() - ORPHANED_AFTER
    names = [name for name in _files(storage) if _modified(storage, name) < before]
    if not names:
        return
    found = Message.objects.using(router.db_for_write(Message)).exclude(content_file="")
    known = set(found.values_list("content_file", flat=True))
    for name in names:
        if name not in known:
            yield storage, name


def _files(storage: Storage) -> Iterator[str]:
    try:
        folders, _names = storage.listdir("")
        for folder in filter(_FOLDER.fullmatch, folders):
            for name in filter(_NAME.fullmatch, storage.listdir(folder)[1]):
                yield f"{folder}/{name}"
    except FileNotFoundError:
        return
    except NotImplementedError:
        # Not every storage can be listed.
        return


def _modified(storage: Storage, name: str) -> datetime:
    try:
        modified = storage.get_modified_time(name)
    except OSError:
        # Deleted meanwhile.
        return timezone.now()
    return moments.stored(modified)
