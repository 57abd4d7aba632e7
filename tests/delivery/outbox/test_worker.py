"""The worker: its threads, its chores, and how it ends."""

from __future__ import annotations

import threading

import pytest
from django.db import InterfaceError, OperationalError, connections

from mailsetup.delivery.outbox import bell, workers
from mailsetup.delivery.outbox import worker as worker_module
from mailsetup.delivery.outbox.engines import turns
from mailsetup.delivery.outbox.sweep import Swept
from mailsetup.delivery.outbox.worker import Tally, Worker
from mailsetup.models import Lease, Message
from mailsetup.signals import message_failed, message_sent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for name, seconds in (("TICK", 0.005), ("LONGEST_WAIT", 0.02), ("DRAINED", 0.005)):
        monkeypatch.setattr(worker_module, name, seconds)
    monkeypatch.setattr(bell, "POLL", 0.01)
    monkeypatch.setattr(bell, "GATHER", 0.001)


@pytest.fixture
def swept(monkeypatch):
    """The sweeps done."""
    found = []
    for module in (worker_module, turns):
        monkeypatch.setattr(module, "sweep", lambda: found.append(1) or Swept())
    return found


@pytest.fixture
def run(office, swept):
    """Return a function that runs a worker in a thread, and returns it with that thread."""
    running = []

    def start(**options):
        tallies = []
        options = {"threads": 1, "batch": 5, "tell": tallies.append, "every": 0.01} | options
        worker = Worker(**options)
        worker.tallies = tallies

        def target():
            try:
                worker.run()
            finally:
                connections.close_all()

        thread = threading.Thread(target=target)
        thread.start()
        running.append((worker, thread))
        return worker, thread

    yield start
    office.open.set()
    for worker, thread in running:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def test_it_delivers_what_is_due_and_waits_for_more(run, office):
    office.waiting = 12
    run()
    office.wait_until(lambda: office.done == 12)
    office.waiting = 3
    office.wait_until(lambda: office.done == 15)
    assert [number for _, _, number in office.handled] == [5, 5, 2, 3]
    assert {worker for _, worker, _ in office.handled} == {workers.identity()}


def test_its_threads_work_at_once(run, office):
    office.open.clear()
    office.waiting = 15
    run(threads=3)
    office.wait_until(lambda: office.busy == 3)


def test_thread_that_takes_all_it_may_wakes_another_one(run, office, monkeypatch):
    monkeypatch.setattr(bell, "POLL", 600.0)
    monkeypatch.setattr(bell, "GATHER", 600.0)
    worker, _thread = run(threads=4)
    office.wait_until(lambda: office.looks == 4)
    office.open.clear()
    office.waiting = 12
    worker._bell.ring(more=True)
    # Five, five and two: after the two, nothing is there for the fourth.
    office.wait_until(lambda: office.busy == 3)
    assert (office.waiting, office.looks) == (0, 7)


def test_thread_that_takes_all_there_is_has_another_one_look_after_more(run, office, monkeypatch):
    monkeypatch.setattr(bell, "POLL", 600.0)
    worker, _thread = run(threads=3)
    office.wait_until(lambda: office.looks == 3)
    office.open.clear()
    office.waiting = 2
    worker._bell.ring(more=True)
    # The one that is busy with the two has called it; it looked in vain, and sleeps again.
    office.wait_until(lambda: office.looks == 5)
    assert office.busy == 1


def test_one_thread_lets_messages_gather_and_the_others_sleep(run, office, monkeypatch):
    monkeypatch.setattr(bell, "GATHER", 600.0)
    office.waiting = 2
    worker, thread = run()
    office.wait_until(lambda: office.done == 2)
    looks = office.looks
    office.waiting = 3
    thread.join(0.1)
    assert (office.looks, office.waiting) == (looks, 3)
    # Its end wakes it.
    worker.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_told_to_stop_it_finishes_what_is_under_way_and_begins_nothing(run, office):
    office.open.clear()
    office.waiting = 10
    worker, thread = run()
    office.wait_until(lambda: office.busy == 1)
    worker.stop()
    looks = office.looks
    office.open.set()
    thread.join(20)
    assert not thread.is_alive()
    assert (office.done, office.looks) == (5, looks)


def test_draining_it_ends_when_nothing_is_due(run, office, swept):
    office.waiting = 12
    worker, thread = run(drain=True, threads=2)
    thread.join(20)
    assert not thread.is_alive()
    assert office.done == 12
    assert worker.error is None
    # What ended workers had claimed was freed before.
    assert swept == [1]


def test_draining_a_thread_waits_for_those_that_work(run, office):
    """What another one has claimed may be given back, and what it signs in for goes then."""
    office.waiting = 1
    office.open.clear()
    _worker, thread = run(drain=True, threads=2)
    office.wait_until(lambda: office.busy == 1)
    looks = office.looks
    office.wait_until(lambda: office.looks > looks + 2)
    office.waiting = 7
    office.wait_until(lambda: office.busy == 2)
    office.open.set()
    thread.join(20)
    assert not thread.is_alive()
    assert office.done == 8


@pytest.mark.parametrize(
    ("worked", "seconds", "limit"),
    [(50, 1.0, 12), (50, 0.05, 50), (1, 10.0, 5), (50, 0.0, 50)],
)
def test_it_claims_as_many_as_go_out_in_a_moment(worked, seconds, limit):
    worker = Worker(threads=1, batch=50, tell=lambda tally: None, every=60)
    assert worker._next_limit(worked, seconds) == limit


@pytest.mark.parametrize(
    "error", [OperationalError("away"), InterfaceError("closed"), RuntimeError("a bug")]
)
def test_it_outlasts_errors_and_tells_of_each_series_once(run, office, caplog, error):
    office.errors += [error] * 4
    office.waiting = 1
    run()
    office.wait_until(lambda: office.done == 1)
    told = [one for one in caplog.records if one.name == "mailsetup"]
    assert [str(error) in one.getMessage() for one in told] == [True]


def test_draining_an_error_ends_it_and_is_kept(run, office):
    office.errors.append(OperationalError("away"))
    worker, thread = run(drain=True)
    thread.join(20)
    assert not thread.is_alive()
    assert str(worker.error) == "away"


def test_it_sweeps_when_it_is_its_turn(run, office, swept, settings):
    settings.MAILSETUP = {"SWEEP_SECONDS": 0.01}
    Lease.take(turns.LEASE, "another process", 600)
    run()
    office.wait_until(lambda: office.looks > 3)
    assert not swept
    Lease.release(turns.LEASE, "another process")
    office.wait_until(lambda: len(swept) > 1)


@pytest.mark.parametrize("error", [OperationalError("away"), RuntimeError("a bug")])
def test_a_sweep_that_fails_does_not_end_it(run, office, monkeypatch, caplog, settings, error):
    def fail():
        raise error

    settings.MAILSETUP = {"SWEEP_SECONDS": 0.01}
    monkeypatch.setattr(turns, "sweep", fail)
    run()
    office.wait_until(lambda: str(error) in caplog.text)
    office.waiting = 1
    office.wait_until(lambda: office.done == 1)


def test_an_outage_is_told_once_whoever_meets_it_and_again_the_next_time(office, swept, caplog):
    worker = Worker(threads=1, batch=5, drain=True, tell=lambda tally: None, every=60)
    away = OperationalError("away")
    worker._report(away)
    worker._report(away)
    assert len(caplog.records) == 1
    # The database is back.
    worker.run()
    worker._report(away)
    assert len(caplog.records) == 2


def test_draining_a_database_that_is_away_ends_it(run, office, monkeypatch):
    def fail():
        raise OperationalError("away")

    monkeypatch.setattr(worker_module, "sweep", fail)
    worker, thread = run(drain=True)
    thread.join(20)
    assert str(worker.error) == "away"
    assert office.looks == 0


def test_the_tally_tells_what_was_sent_and_what_waits(run, office):
    def settle():
        if office.looks == 1:
            for _ in range(3):
                message_sent.send(sender=Message)
            message_failed.send(sender=Message)

    office.on_look = settle
    office.waiting = 5
    Message.objects.create(state="queued")
    worker, _ = run()
    office.wait_until(lambda: any(tally.done == 5 for tally in worker.tallies))
    tally = worker.tallies[-1]
    assert tally == Tally(sent=3, failed=1, done=5, waiting=1, seconds=tally.seconds)


def test_messages_of_another_worker_of_this_process_are_not_counted_after_it(run, office):
    worker, thread = run(drain=True)
    thread.join(20)
    message_sent.send(sender=Message)
    assert worker.tally().sent == 0
