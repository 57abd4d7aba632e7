"""How a worker's threads wait, and whom they wake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from mailsetup.delivery.outbox import bell as bell_module
from mailsetup.delivery.outbox.bell import Bell
from tests.servers.process import wait_for


class Waiting:
    """Threads that wait at a bell."""

    def __init__(self) -> None:
        self.bell = Bell()
        self.threads: list[threading.Thread] = []

    def start(self, wait: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=wait)
        thread.start()
        self.threads.append(thread)
        return thread

    def sleep(self) -> threading.Thread:
        before = len(self.bell._condition._waiters)
        thread = self.start(lambda: self.bell.pause(all_taken=False))
        wait_for(lambda: len(self.bell._condition._waiters) > before, seconds=20, what="sleep")
        return thread

    def over(self) -> list[bool]:
        return [not thread.is_alive() for thread in self.threads]

    def wait_for(self, number: int) -> None:
        wait_for(lambda: sum(self.over()) == number, seconds=20, what="threads to go on")


@pytest.fixture
def waiting(monkeypatch) -> Iterator[Waiting]:
    """Nobody goes on by time alone."""
    monkeypatch.setattr(bell_module, "POLL", 600.0)
    monkeypatch.setattr(bell_module, "GATHER", 600.0)
    made = Waiting()
    yield made
    made.bell.halt()
    for thread in made.threads:
        thread.join(20)
        assert not thread.is_alive()


def test_call_for_more_wakes_one_and_it_looks_at_once(waiting):
    for _ in range(3):
        waiting.sleep()
    waiting.bell.ring(more=True)
    waiting.wait_for(1)
    waiting.threads[-1].join(0.05)
    assert sum(waiting.over()) == 1


def test_one_that_is_called_while_all_are_taken_lets_some_gather(waiting):
    waiting.sleep()
    waiting.bell.ring(more=False)
    wait_for(lambda: waiting.bell._gathering, seconds=20, what="it to gather")
    assert waiting.over() == [False]
    waiting.bell.ring(more=True)
    waiting.wait_for(1)


def test_gathering_ends_by_itself(waiting, monkeypatch):
    monkeypatch.setattr(bell_module, "GATHER", 0.01)
    waiting.start(lambda: waiting.bell.pause(all_taken=True))
    waiting.wait_for(1)
    assert not waiting.bell._gathering


def test_only_one_gathers(waiting, monkeypatch):
    waiting.start(lambda: waiting.bell.pause(all_taken=True))
    wait_for(lambda: waiting.bell._gathering, seconds=20, what="the first to gather")
    monkeypatch.setattr(bell_module, "GATHER", 0.0)
    second = waiting.start(lambda: waiting.bell.pause(all_taken=True))
    second.join(0.05)
    assert waiting.over() == [False, False]


def test_call_for_more_is_kept_for_who_comes_next(waiting):
    waiting.bell.ring(more=True)
    waiting.bell.pause(all_taken=False)
    waiting.sleep()
    assert waiting.over() == [False]


def test_who_rests_is_not_the_one_that_a_call_wakes(waiting):
    waiting.start(lambda: waiting.bell.rest(600))
    waiting.sleep()
    waiting.bell.ring(more=True)
    waiting.wait_for(1)
    assert waiting.over() == [False, True]


def test_end_wakes_all_and_nobody_waits_after_it(waiting):
    waiting.sleep()
    waiting.start(lambda: waiting.bell.rest(600))
    waiting.start(lambda: waiting.bell.pause(all_taken=True))
    waiting.bell.halt()
    waiting.wait_for(3)
    waiting.bell.pause(all_taken=True)
    waiting.bell.rest(600)
