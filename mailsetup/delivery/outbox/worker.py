"""The worker process: threads that deliver what is due, and a main thread that looks after them.

It needs no one to tell it of messages: each thread looks into the table, and waits a second where
nothing is due. One that finds something wakes another one, which looks after what comes meanwhile.
While the database is away, it waits and goes on afterwards.

Told to stop, it begins no new message, finishes those under way and gives the rest back.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connections

from mailsetup.delivery.outbox import courier, workers
from mailsetup.delivery.outbox.bell import Bell
from mailsetup.delivery.outbox.engines.turns import Turn, next_round
from mailsetup.delivery.outbox.sweep import sweep
from mailsetup.delivery.reporting import report
from mailsetup.models import Message, State
from mailsetup.signals import message_failed, message_sent

__all__ = ["Tally", "Worker"]

# The longest wait of a thread after errors in a row, in seconds.
LONGEST_WAIT: Final = 30.0
# Seconds between two looks of the main thread at the clock and at whether it was told to stop, and
# that a thread waits for the others where it drains.
TICK: Final = 0.2
DRAINED: Final = 0.05
# How long a claim is to take: shorter ones cost more queries, longer ones keep what is more urgent
# waiting, and leave other threads idle at the end. And the fewest mails in one.
STRETCH: Final = 0.25
FEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a worker is.

    Attributes:
        sent: messages that it sent.
        failed: messages that have failed for good, or of which nobody knows.
        done: messages that it worked on, those that wait for another attempt among them.
        waiting: messages of the whole site that wait; None where that cannot be read.
        seconds: since it began.
    """

    sent: int = 0
    failed: int = 0
    done: int = 0
    waiting: int | None = None
    seconds: float = 0.0


class Worker:
    """Deliver until told to stop, or until nothing is due.

    Args:
        threads: how many deliver.
        batch: how many messages a thread claims at once, at most.
        drain: sweep once, and end when nothing is due any more.
        tell: called with the tally, in the thread of :meth:`run`.
        every: seconds between two such calls.
    """

    def __init__(
        self,
        *,
        threads: int,
        batch: int,
        drain: bool = False,
        tell: Callable[[Tally], None],
        every: float,
    ) -> None:
        self.batch = batch
        self.drain = drain
        self.name = workers.identity()
        # The first error that ended a thread; only where it drains.
        self.error: Exception | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"mailsetup-worker-{number + 1}")
            for number in range(threads)
        ]
        self._turn = Turn(self.name)
        self._chores = [
            _Chore(lambda: tell(self.tally()), lambda: every, wait=every),
        ]
        if not drain:
            self._chores.append(_Chore(self._sweep, next_round))
        # Read by all threads. A plain value: to ring, a signal's handler may have to wait for the
        # lock that the very thread it interrupts is holding.
        self._stopped = False
        self._bell = Bell()
        # The database failed, and that was told.
        self._away = False
        self._counted = {"sent": 0, "failed": 0, "done": 0}
        self._counting = threading.Lock()
        # Threads that look for something to do, or do it.
        self._at_work = 0
        self._began = time.monotonic()

    def stop(self) -> None:
        """Begin no new message; may be called in a signal's handler."""
        self._stopped = True

    def tally(self) -> Tally:
        """Return how far it is."""
        waiting = None
        with suppress(DatabaseError, InterfaceError):
            waiting = Message.objects.filter(state=State.QUEUED).count()
        seconds = time.monotonic() - self._began
        return Tally(**self._counted, waiting=waiting, seconds=seconds)

    def run(self) -> None:
        """Work until all threads have ended."""
        if self.drain:
            # What ended workers had claimed is due too.
            try:
                sweep()
            except (DatabaseError, InterfaceError) as error:
                self.error = error
                return
        # The signals of this process: of no other worker's messages.
        message_sent.connect(self._on_sent)
        message_failed.connect(self._on_failed)
        try:
            for thread in self._threads:
                thread.start()
            for thread in self._threads:
                while thread.is_alive():
                    self._look_around()
                    thread.join(TICK)
        finally:
            # An exception came in between; what is under way is finished all the same.
            self.stop()
            self._bell.halt()
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join()
            message_sent.disconnect(self._on_sent)
            message_failed.disconnect(self._on_failed)
            self._do(self._turn.leave)

    def _look_around(self) -> None:
        if self._stopped:
            self._bell.halt()
        for chore in self._chores:
            if chore.is_due():
                self._do(chore.work)
                chore.put_off()

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a worker outlasts what goes wrong
            self._report(error)

    def _sweep(self) -> None:
        if not self._stopped:
            self._turn.sweep()

    # The threads

    def _on_sent(self, **kwargs: Any) -> None:
        self._count("sent")

    def _on_failed(self, **kwargs: Any) -> None:
        self._count("failed")

    def _count(self, what: str, number: int = 1) -> None:
        with self._counting:
            self._counted[what] += number

    def _goes_on(self) -> bool:
        return not self._stopped

    def _work(self) -> None:
        try:
            failures, limit = 0, self.batch
            while self._goes_on():
                began = time.monotonic()
                try:
                    worked = self._work_once(limit)
                    failures, self._away = 0, False
                except Exception as error:  # noqa: BLE001 - a worker outlasts what goes wrong
                    failures += 1
                    if not self._outlasts(error, failures):
                        return
                    continue
                if worked:
                    self._count("done", worked)
                    took_all, seconds = worked < limit, time.monotonic() - began
                    limit = self._next_limit(worked, seconds)
                    if took_all and not self.drain:
                        self._bell.pause(all_taken=True)
                elif not self.drain:
                    self._bell.pause(all_taken=False)
                elif not self._at_work:
                    return
                else:
                    # Another one may be signing in for all, or give back what it has claimed.
                    self._bell.rest(DRAINED)
        finally:
            connections.close_all()

    def _next_limit(self, worked: int, seconds: float) -> int:
        """Return how many mails to claim next, by how long the last ones took."""
        fitting = int(worked * STRETCH / max(seconds, 0.001))
        return min(self.batch, max(FEWEST, fitting))

    def _work_once(self, limit: int) -> int:
        with self._counting:
            self._at_work += 1
        try:
            return courier.work_once(
                limit,
                worker=self.name,
                goes_on=self._goes_on,
                claimed=lambda number: self._bell.ring(more=number >= limit),
            )
        finally:
            with self._counting:
                self._at_work -= 1

    def _outlasts(self, error: Exception, failures: int) -> bool:
        if self.drain:
            self.error = self.error or error
            return False
        if failures == 1:
            self._report(error)
        connections.close_all()
        self._bell.rest(min(LONGEST_WAIT, 2.0**failures / 2))
        return True

    def _report(self, error: Exception) -> None:
        """Tell of an error; of a database that is away once, until it is back."""
        connections.close_all()
        if not isinstance(error, DatabaseError | InterfaceError):
            report(logging.ERROR, "The worker met an error, and goes on: %r", error)
        elif not self._away:
            self._away = True
            report(logging.WARNING, "The worker cannot use the database, and waits: %s", error)


class _Chore:
    """Something that the main thread does now and then.

    Args:
        work: what.
        pause: returns the seconds until the next time.
        wait: seconds until the first time.
    """

    def __init__(
        self, work: Callable[[], object], pause: Callable[[], float], *, wait: float = 0.0
    ) -> None:
        self.work = work
        self._pause = pause
        self._due = time.monotonic() + wait

    def is_due(self) -> bool:
        return time.monotonic() >= self._due

    def put_off(self) -> None:
        self._due = time.monotonic() + self._pause()
