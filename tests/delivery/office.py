"""A courier for the tests of those who call it: it has messages to hand out, and no database."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.servers.process import wait_for


class Office:
    """Stands in for ``mailsetup.delivery.outbox.courier`` and for the sweep."""

    def __init__(self) -> None:
        self.waiting = 0
        # Messages handed out: by which thread, to which worker, and how many.
        self.handled: list[tuple[threading.Thread, str, int]] = []
        self.looks = 0
        self.errors: list[Exception] = []
        # Cleared, whoever has messages is held up in the middle of them.
        self.open = threading.Event()
        self.open.set()
        self.busy = 0
        self.most_busy = 0
        self.keys: list[int] = []
        self.on_look: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def work_once(
        self,
        limit: int,
        *,
        worker: str,
        goes_on: Callable[[], bool],
        claimed: Callable[[int], None] = lambda number: None,
    ) -> int:
        with self._lock:
            self.looks += 1
            if self.errors:
                raise self.errors.pop(0)
            taken = min(limit, self.waiting)
            self.waiting -= taken
        self.on_look()
        if not taken:
            return 0
        claimed(taken)
        with self._lock:
            self.busy += 1
            self.most_busy = max(self.busy, self.most_busy)
        try:
            # No message is begun once it does not go on; one under way is finished.
            if not goes_on():
                self.waiting += taken
                return 0
            assert self.open.wait(20)
        finally:
            self.busy -= 1
        self.handled.append((threading.current_thread(), worker, taken))
        return taken

    def work_on(self, keys: list[int], *, worker: str) -> int:
        self.keys += keys
        return len(keys)

    @property
    def done(self) -> int:
        return sum(number for _, _, number in self.handled)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        wait_for(condition, seconds=20, what="the engine to do it")


@pytest.fixture
def office(monkeypatch) -> Office:
    """The courier's stand-in, in force."""
    from mailsetup.delivery.outbox import courier

    stand_in = Office()
    monkeypatch.setattr(courier, "work_once", stand_in.work_once)
    monkeypatch.setattr(courier, "work_on", stand_in.work_on)
    return stand_in
