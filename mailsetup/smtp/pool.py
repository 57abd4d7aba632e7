"""Authenticated sessions kept for the next mail, for one process.

A session is *borrowed*, used, and *given back*; then it is *parked* or, where it is too old, too
much used, broken, or of an edited profile, *dropped*. Last in, first out, so that spare sessions
grow idle and go. Decisions are made under the lock; whatever waits for the network is not.

A helper thread, there only while sessions are parked, closes the ones nobody came for in time.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Hashable, Iterable, Sequence
from time import monotonic
from typing import Final

from . import forking
from .account import Account
from .envelope import Envelope, Receipt, Watch
from .errors import PoolTimeoutError, Stage
from .kept import Group, Kept
from .sending import send
from .session import Session
from .transcript import Transcript

__all__ = ["Pool", "pool"]


class Pool:
    """Sessions of this process, by profile and revision."""

    def __init__(self) -> None:
        self._fresh_state()
        forking.watch_pool(self)

    def _fresh_state(self) -> None:
        self._lock = threading.Lock()
        # For those who wait for a connection; `_waiting` spares the others the notice.
        self._free = threading.Condition(self._lock)
        self._waiting = 0
        self._groups: dict[Hashable, Group] = {}
        self._borrowed: dict[Session, Kept] = {}
        self._reaper: threading.Thread | None = None
        self._halt = threading.Event()

    def __repr__(self) -> str:
        idle = sum(len(group.idle) for group in self._groups.values())
        live = sum(group.live for group in self._groups.values())
        return f"<Pool {live} connections, {idle} idle>"

    # Sending

    def send(
        self,
        account: Account,
        envelopes: Sequence[Envelope],
        *,
        transcript: Transcript | None = None,
        watch: Watch | None = None,
    ) -> list[Receipt]:
        """Send *envelopes* over a kept or new session; one receipt for each, in order.

        A message's failure and a connection that cannot be had are told by the receipts.

        Args:
            account: whom to send by.
            envelopes: what to send.
            transcript: takes down the conversation.
            watch: told of each message while it happens.

        Raises:
            Exception: what the secret's own source raises, while nothing was sent.
        """
        expires = None if account.deadline is None else monotonic() + account.deadline
        return send(self, account, envelopes, transcript=transcript, expires=expires, watch=watch)

    # Borrowing

    def borrow(
        self,
        account: Account,
        *,
        transcript: Transcript | None = None,
        expires: float | None = None,
        new: bool = False,
    ) -> Session:
        """Return a session of *account* for the caller alone; `give_back` ends that.

        Args:
            account: whose session; with no `key` it is opened for this once.
            transcript: takes down what is said while it is borrowed.
            expires: monotonic time to be done by.
            new: open a connection even if one is parked.

        Raises:
            PoolTimeoutError: every connection the profile may have stayed in use.
            TransportError: a new one could not be opened.
        """
        if account.key is None:
            return Session.open(account, transcript=transcript, expires=expires)
        dropped: list[Kept] = []
        kept: Kept | None = None
        try:
            kept, group, generation = self._take(account, expires, dropped, new=new)
        finally:
            if dropped:
                _quit(dropped)
        if kept is None:
            kept = self._open(account, group, generation, transcript, expires)
            self._borrowed[kept.session] = kept
        elif transcript is not None:
            kept.session.follow(transcript)
        return kept.session

    def _take(
        self, account: Account, expires: float | None, dropped: list[Kept], *, new: bool
    ) -> tuple[Kept | None, Group, int]:
        key = account.key
        now = monotonic()
        until = now + account.time_to_open() if expires is None else expires
        with self._lock:
            group = self._group(account)
            while True:
                if group.key != key:
                    # Another revision: nobody gets the sessions of the one before.
                    self._drop_idle(group, dropped)
                    group.key = key
                while group.idle and not new:
                    kept = group.idle.pop()
                    if not kept.is_stale(now):
                        kept.wake(now)
                        self._borrowed[kept.session] = kept
                        return kept, group, group.generation
                    group.live -= 1
                    dropped.append(kept)
                if group.idle and group.live >= account.max_connections:
                    group.live -= 1
                    dropped.append(group.idle.pop(0))
                if group.live < account.max_connections:
                    group.live += 1
                    return None, group, group.generation
                if not self._wait(until - now):
                    raise PoolTimeoutError(
                        f"All {account.max_connections} connections to {account.host} "
                        "stayed in use.",
                        stage=Stage.CONNECT,
                        host=account.host,
                        port=account.port,
                    )
                now = monotonic()

    def _wait(self, seconds: float) -> bool:
        self._waiting += 1
        try:
            return seconds > 0 and self._free.wait(seconds)
        finally:
            self._waiting -= 1

    def _open(
        self,
        account: Account,
        group: Group,
        generation: int,
        transcript: Transcript | None,
        expires: float | None,
    ) -> Kept:
        try:
            session = Session.open(account, transcript=transcript, expires=expires)
        except BaseException:
            with self._lock:
                self._leave(group)
            raise
        return Kept(session, account, group, generation)

    def give_back(self, session: Session) -> None:
        """End the borrowing of *session*: park it, or drop it; never raises."""
        session.transcript = None
        kept = self._borrowed.get(session)
        try:
            if kept is None or not self._park(kept):
                session.quit()
        except BaseException:
            # A signal came in between: the connection must not be lost from the count.
            session.close()
            if kept is not None and self._borrowed.pop(session, None) is not None:
                with self._lock:
                    self._leave(kept.group)
            raise

    def _park(self, kept: Kept) -> bool:
        now = monotonic()
        worn = kept.is_worn(now)
        group = kept.group
        with self._lock:
            del self._borrowed[kept.session]
            if worn or kept.generation != group.generation or kept.key != group.key:
                self._leave(group)
                return False
            kept.rest(now)
            group.idle.append(kept)
            if self._waiting:
                self._free.notify()
            if self._reaper is None:
                self._start_reaper()
        return True

    def _group(self, account: Account) -> Group:
        slug = account.key[0] if isinstance(account.key, tuple) else account.key
        group = self._groups.get(slug)
        if group is None:
            group = self._groups[slug] = Group()
        return group

    def _leave(self, group: Group) -> None:
        # After a fork the child's groups start from nothing.
        group.live = max(0, group.live - 1)
        self._free.notify()

    def _drop_idle(self, group: Group, dropped: list[Kept]) -> None:
        dropped += group.idle
        group.live -= len(group.idle)
        group.idle = []
        self._free.notify_all()

    # Ending

    def retire(self, slug: Hashable) -> None:
        """Close the profile's parked sessions now, and those in use as they are given back."""
        self._retire([slug])

    def close_all(self) -> None:
        """Retire every profile's sessions; the pool stays usable."""
        self._retire(list(self._groups))

    def _retire(self, slugs: Iterable[Hashable]) -> None:
        dropped: list[Kept] = []
        with self._lock:
            for slug in slugs:
                group = self._groups.get(slug)
                if group is not None:
                    group.generation += 1
                    self._drop_idle(group, dropped)
        _quit(dropped)

    # Idle sessions are closed in time, though nobody comes for them

    def _start_reaper(self) -> None:
        self._halt = threading.Event()
        reaper = threading.Thread(
            target=self._reap, args=(self._halt,), name="mailsetup-pool", daemon=True
        )
        try:
            reaper.start()
        except RuntimeError:
            # Python starts no thread any more at the end of a process, where the last mails may
            # still be on their way. `close_all` comes for the sessions then.
            self._reaper = None
        else:
            self._reaper = reaper

    def _reap(self, halt: threading.Event) -> None:
        wait = 0.0
        while not halt.wait(wait):
            dropped: list[Kept] = []
            now = monotonic()
            with self._lock:
                for group in self._groups.values():
                    over = [kept for kept in group.idle if kept.ends <= now]
                    if over:
                        group.idle = [kept for kept in group.idle if kept.ends > now]
                        group.live -= len(over)
                        dropped += over
                ends = [kept.ends for group in self._groups.values() for kept in group.idle]
                if not ends:
                    self._reaper = None
            _quit(dropped)
            if not ends:
                return
            wait = max(0.05, min(ends) - now)

    # Forks

    def before_fork(self) -> None:
        """Stop the helper thread: a process that forks should have no other one."""
        reaper = self._reaper
        if reaper is not None:
            self._halt.set()
            reaper.join(1.0)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        with self._lock:
            if self._reaper is not None:
                self._start_reaper()

    def after_fork_in_child(self) -> None:
        """Start empty; the sessions are closed by `forking`."""
        self._fresh_state()


def _quit(dropped: Iterable[Kept]) -> None:
    for kept in dropped:
        kept.session.quit()


pool: Final = Pool()
atexit.register(pool.close_all)
