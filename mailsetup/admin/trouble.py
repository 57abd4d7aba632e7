"""What goes wrong with the site's mail just now: for a line on the admin's pages, until it is over.

It costs two small queries, and those only every few seconds in each process.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.db import DatabaseError, InterfaceError, router, transaction
from django.db.models import Q
from django.utils import timezone

from mailsetup import effective
from mailsetup.admin import times
from mailsetup.delivery.log import sentences
from mailsetup.delivery.outbox.standing import settings_mark
from mailsetup.exceptions import ConfigurationError
from mailsetup.models import Message, ProfileState, SMTPProfile

# How long an answer is taken from memory.
SECONDS = 5.0
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """A profile whose mail is kept back.

    Attributes:
        slug: its name, "" for the site's own settings.
        stopped: whether its login was refused; else it waits until a time.
        reason: why, as it is stored.
        until: until when it waits, where it does.
        since: since when it is stopped, where it is.
    """

    slug: str
    stopped: bool
    reason: str
    until: datetime | None = None
    since: datetime | None = None

    @property
    def told(self) -> str:
        """Why, in the reader's language; the server's words as they came."""
        return sentences.shown(self.reason)

    @property
    def wait(self) -> str:
        """How long it waits, in words."""
        return times.until(self.until, timezone.now(), depth=2) if self.until else ""

    @property
    def is_soon_over(self) -> bool:
        """Whether it waits for less than a minute, which nobody counts."""
        return self.until is not None and self.until - timezone.now() < timedelta(minutes=1)

    def outlasts(self, moment: datetime | None) -> bool:
        """Tell whether a mail that is due at a moment waits for the profile longer than for it."""
        return self.stopped or moment is None or (self.until is not None and self.until > moment)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong just now.

    Attributes:
        failing: how many mails need attention, at most one more than ``MOST_COUNTED``.
        kept: the profiles whose mail is kept back.
        dropping: the names of those that drop theirs, being set to “do not send”.
    """

    failing: int = 0
    kept: tuple[Kept, ...] = ()
    dropping: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.failing or self.kept or self.dropping)


class _Memory(threading.local):
    """The last answer; one for each thread, so that nothing has to be locked."""

    until = 0.0
    trouble = Trouble()


_memory = _Memory()


def now() -> Trouble:
    """Return what goes wrong just now, at most a few seconds old; nothing where nobody can tell."""
    if monotonic() >= _memory.until:
        try:
            # In a transaction of the page's, a failing query must not spoil the rest of it.
            with transaction.atomic(using=router.db_for_read(Message)):
                _memory.trouble = Trouble(_failing(), tuple(kept_back()), tuple(_dropping()))
        except (DatabaseError, InterfaceError, ConfigurationError):
            # The tables may not be there yet: the pages of other apps have to open all the same.
            _memory.trouble = Trouble()
        _memory.until = monotonic() + SECONDS
    return _memory.trouble


def forget() -> None:
    """Ask anew at the next page: something was just done about it."""
    _memory.until = 0.0


def lately(slug: str) -> Kept | None:
    """Return what keeps a profile's mail back, as :func:`now` has it: for the rows of a list."""
    return next((kept for kept in now().kept if kept.slug == slug), None)


def of(slug: str) -> Kept | None:
    """Return what keeps a profile's mail back; None where nothing does."""
    state = ProfileState.objects.filter(_KEPT, slug=slug).first()
    return _kept(state) if state is not None else None


def kept_back() -> list[Kept]:
    """Return all profiles whose mail is kept back."""
    found = [_kept(state) for state in ProfileState.objects.filter(_KEPT).order_by("slug")]
    return [kept for kept in found if kept is not None]


_KEPT = Q(stopped_at__isnull=False) | Q(held_until__isnull=False)


def _dropping() -> Iterator[str]:
    rows = [(row.slug, row.is_default, row) for row in SMTPProfile.objects.order_by("slug")]
    rows += [(slug, slug == "default", None) for slug in effective.environment_slugs()]
    for slug, is_default, row in rows:
        found = effective.from_row(row, slug=slug, is_default=is_default)
        if found["active"] and found["do_not_send"]:
            yield slug


def _failing() -> int:
    rows = Message.objects.filter(needs_attention=True).order_by()
    return rows.values("pk")[: MOST_COUNTED + 1].count()


def _kept(state: ProfileState) -> Kept | None:
    if not _still_holds(state):
        return None
    if state.stopped_at is not None:
        return Kept(state.slug, stopped=True, reason=state.stopped_reason, since=state.stopped_at)
    if state.held_until is not None and state.held_until > timezone.now():
        return Kept(state.slug, stopped=False, reason=state.held_reason, until=state.held_until)
    return None


def _still_holds(state: ProfileState) -> bool:
    """Tell whether the settings are those that it was stopped or held with."""
    if not state.kept_settings:
        return True
    try:
        return settings_mark(effective.resolve(state.slug or None)) == state.kept_settings
    except ConfigurationError:
        # Without usable settings there is nothing to resume; the profile's own page says so.
        return False
