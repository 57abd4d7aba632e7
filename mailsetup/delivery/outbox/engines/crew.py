"""The threads of the embedded engine, from one fork of the process to the next.

A few deliver: they start when called and end when nobody called for a while. One sweeps when it is
this process's turn. All are daemons that `Crew.end` waits for, so that an exit is clean where it
can be and never hangs.
"""

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connections

from mailsetup import conf
from mailsetup.delivery.outbox import courier, workers
from mailsetup.delivery.outbox.engines import BATCH
from mailsetup.delivery.outbox.engines.turns import Turn, next_round
from mailsetup.delivery.reporting import report

__all__ = ["Crew"]

# Seconds after which a thread ends that nobody called.
IDLE: Final = 10.0
# Seconds before the first sweep: a process that only starts and ends should not do one.
FIRST_SWEEP: Final = 1.0


class Crew:
    """Threads that deliver and sweep."""

    def __init__(self) -> None:
        self._called = threading.Condition()
        # How many threads shall look into the table for what is due.
        self._calls = 0
        self._idle = 0
        self._threads: set[threading.Thread] = set()
        self._sweeper: threading.Thread | None = None
        # Threads that wait for something to do end, and the one that sweeps.
        self._closing = threading.Event()
        # No new message is begun.
        self._over = threading.Event()

    def __repr__(self) -> str:
        sweeps = "sweeps" if self.sweeps else "does not sweep"
        return f"<Crew {len(self._threads)} threads, {self._idle} idle, {sweeps}>"

    @property
    def sweeps(self) -> bool:
        """Whether the thread that sweeps is there."""
        return self._sweeper is not None

    @property
    def is_busy(self) -> bool:
        """Whether a thread was called that has not come to rest."""
        return self._calls > 0 or len(self._threads) > self._idle

    def call(self, hands: int = 1) -> None:
        """Have up to that many threads look for what is due.

        Raises:
            RuntimeError: no thread can be started, as at the end of the process.
        """
        most = max(1, int(conf.option("INLINE_THREADS")))
        with self._called:
            self._calls = min(most, self._calls + hands)
            self._called.notify(self._calls)
            for _ in range(min(self._calls - self._idle, most - len(self._threads))):
                thread = _daemon(self._work, "mailsetup-inline")
                thread.start()
                self._threads.add(thread)

    def sweep(self, still_wanted: Callable[[], bool]) -> None:
        """Take turns at sweeping from now on.

        Args:
            still_wanted: asked before each sweep; False ends it.
        """
        with self._called:
            if self._sweeper is None and not self._closing.is_set():
                sweeper = _daemon(self._sweep, "mailsetup-sweep", still_wanted)
                sweeper.start()
                self._sweeper = sweeper

    def end(self, *, drain: float = 0.0, finish: float) -> None:
        """End the threads, and wait for them.

        Args:
            drain: seconds in which what waits is still begun.
            finish: seconds, after those, given to the messages under way.
        """
        self._tell(self._closing)
        if drain:
            self._join(drain)
        self._tell(self._over)
        self._join(finish)

    def _tell(self, event: threading.Event) -> None:
        with self._called:
            event.set()
            self._called.notify_all()

    def _join(self, seconds: float) -> None:
        ends = monotonic() + seconds
        with self._called:
            threads = [*self._threads, *filter(None, [self._sweeper])]
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, ends - monotonic()))

    # Delivering

    def _goes_on(self) -> bool:
        return not self._over.is_set()

    def _work(self) -> None:
        while self._is_called():
            _guarded(self._deliver)

    def _is_called(self) -> bool:
        ends = monotonic() + IDLE
        with self._called:
            self._idle += 1
            while not (self._calls or self._closing.is_set()) and monotonic() < ends:
                self._called.wait(ends - monotonic())
            self._idle -= 1
            if self._calls and self._goes_on():
                self._calls -= 1
                return True
            # Under the lock: who calls from here on must not count on this thread.
            self._threads.discard(threading.current_thread())
            return False

    def _deliver(self) -> None:
        worker = workers.identity()
        while self._goes_on():
            if not courier.work_once(BATCH, worker=worker, goes_on=self._goes_on):
                return

    # Sweeping

    def _sweep(self, still_wanted: Callable[[], bool]) -> None:
        turn = Turn(workers.identity())
        wait = FIRST_SWEEP
        while not self._closing.wait(wait) and still_wanted():
            _guarded(self._sweep_once, turn)
            wait = next_round()
        _guarded(turn.leave)
        with self._called:
            self._sweeper = None

    def _sweep_once(self, turn: Turn) -> None:
        due = turn.sweep()
        if due:
            self.call(-(-due // BATCH))


def _daemon(target: Callable[..., None], name: str, *arguments: Any) -> threading.Thread:
    return threading.Thread(target=target, args=arguments, name=name, daemon=True)


def _guarded(work: Callable[..., Any], *arguments: Any) -> None:
    """Do something in a thread that must not end because of it; close its connections."""
    try:
        work(*arguments)
    except (DatabaseError, InterfaceError) as error:
        report(logging.WARNING, "Waiting mails cannot be read; the next sweep tries: %s", error)
    except Exception as error:  # noqa: BLE001 - told, and tried again by the next sweep
        report(logging.ERROR, "Waiting mails could not be worked on: %r", error)
    finally:
        connections.close_all()
