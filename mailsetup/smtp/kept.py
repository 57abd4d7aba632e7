"""One parked or borrowed session, and the sessions of one profile: what the pool decides by."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Hashable
from time import monotonic
from typing import Final

from .account import Account
from .session import Session
from .talk import MAX_RESETS

__all__ = ["Group", "Kept"]

# A connection unused this long proves that it lives before content is sent over it.
_FRESH: Final = 1.0


class Kept:
    """A session and what the pool knows of it."""

    __slots__ = (
        "account",
        "ends",
        "generation",
        "group",
        "key",
        "oldest",
        "poller",
        "session",
        "used",
    )

    def __init__(self, session: Session, account: Account, group: Group, generation: int) -> None:
        self.session = session
        self.account = account
        self.key = account.key
        self.group = group
        self.generation = generation
        self.poller = _poller(session.sock)
        # Monotonic time from which on it is too old whatever happens.
        self.oldest = session.born + account.max_age
        self.rest(monotonic())

    def rest(self, now: float) -> None:
        """Take note that it was used until *now*, and when it is to be closed if unused."""
        self.used = now
        self.ends = min(now + self.account.max_idle, self.oldest)

    def is_stale(self, now: float) -> bool:
        """Tell whether it is past its limits, or the server has closed it or said something."""
        sock = self.session.sock
        return (
            sock is None
            or now > self.ends
            or bool(self.poller.poll(0))
            or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)
        )

    def wake(self, now: float) -> None:
        """Take it into use: after a pause the envelope has to prove that it lives."""
        self.session.talk.fresh = now - self.used <= _FRESH

    def is_worn(self, now: float) -> bool:
        """Tell whether it is not worth parking after use."""
        session = self.session
        talk = session.talk
        return (
            session.sock is None
            or talk.over
            or talk.count >= self.account.max_messages
            or talk.resets >= MAX_RESETS
            or now > self.oldest
            or session.has_unread
        )


class _Poller:
    """Readiness by select, where the system has no poll."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def poll(self, timeout: float) -> list[socket.socket]:
        return select.select([self._sock], [], [], timeout)[0]


def _poller(sock: socket.socket | None) -> select.poll | _Poller:
    assert sock is not None  # noqa: S101 - an open session has one
    if not hasattr(select, "poll"):
        return _Poller(sock)
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return poller


class Group:
    """The sessions of one profile."""

    __slots__ = ("generation", "idle", "key", "live")

    def __init__(self) -> None:
        self.idle: list[Kept] = []
        # Sessions there are or that are being opened, parked or in use.
        self.live = 0
        self.generation = 0
        self.key: Hashable = None
