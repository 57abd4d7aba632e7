"""The embedded engine: its threads, its turns at sweeping, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from time import monotonic

import pytest
from django.core.signals import request_started
from django.db import OperationalError

from mailsetup.delivery.outbox import engines, workers
from mailsetup.delivery.outbox.engines import crew as crew_module
from mailsetup.delivery.outbox.engines import inline, turns
from mailsetup.delivery.outbox.engines.crew import Crew
from mailsetup.delivery.outbox.sweep import Swept
from mailsetup.models import Lease

ROOT = Path(__file__).parents[4]


@pytest.fixture
def crew(office):
    """A crew of the test's own."""
    started = Crew()
    yield started
    office.open.set()
    started.end(finish=20)
    assert not started.sweeps


@pytest.fixture
def often(settings, monkeypatch):
    """Sweep again and again."""
    settings.MAILSETUP = {"ENGINE": "inline", "SWEEP_SECONDS": 0.02}
    monkeypatch.setattr(crew_module, "FIRST_SWEEP", 0.0)


@pytest.fixture
def swept(monkeypatch):
    """What the sweeps find: the test fills it, and sees how often it was asked for."""
    found = []

    def sweep():
        found.append(threading.current_thread().name)
        return Swept(due=1)

    monkeypatch.setattr(turns, "sweep", sweep)
    return found


# Delivering


def test_a_call_is_worked_on_in_another_thread_under_this_process_s_name(crew, office):
    office.waiting = 3
    crew.call()
    office.wait_until(lambda: office.done == 3)
    ((thread, worker, _),) = office.handled
    assert thread is not threading.current_thread()
    assert worker == workers.identity()


def test_a_thread_goes_on_until_nothing_is_due(crew, office):
    office.waiting = 3 * engines.BATCH + 1
    crew.call()
    office.wait_until(lambda: office.done == 3 * engines.BATCH + 1)
    assert len({thread for thread, _, _ in office.handled}) == 1


def test_many_calls_start_no_more_threads_than_the_setting_says(crew, office, settings):
    settings.MAILSETUP = {"INLINE_THREADS": 3}
    office.open.clear()
    office.waiting = 10 * engines.BATCH
    for _ in range(20):
        crew.call()
    office.wait_until(lambda: office.busy == 3)
    office.open.set()
    office.wait_until(lambda: office.done == 10 * engines.BATCH)
    assert office.most_busy == 3


def test_one_call_of_many_hands_starts_as_many_threads(crew, office):
    office.open.clear()
    office.waiting = 2 * engines.BATCH
    crew.call(20)
    office.wait_until(lambda: office.busy == 2)


def test_a_message_stored_during_a_last_look_is_not_forgotten(crew, office, settings):
    settings.MAILSETUP = {"INLINE_THREADS": 1}

    def store_another():
        # The look has found nothing by now; the row comes, and then its notice.
        if office.looks == 1:
            office.waiting = 1
            crew.call()

    office.on_look = store_another
    crew.call()
    office.wait_until(lambda: office.done == 1)


def test_a_thread_that_nobody_calls_ends_and_another_takes_its_place(crew, office, monkeypatch):
    monkeypatch.setattr(crew_module, "IDLE", 0.01)
    office.waiting = 1
    crew.call()
    office.wait_until(lambda: office.done == 1)
    first = office.handled[0][0]
    first.join(20)
    assert not first.is_alive()
    assert not crew.is_busy
    office.waiting = 1
    crew.call()
    office.wait_until(lambda: office.done == 2)
    assert office.handled[1][0] is not first


@pytest.mark.parametrize("error", [OperationalError("away"), RuntimeError("a bug")])
def test_an_error_is_logged_and_the_next_call_is_worked_on(crew, office, caplog, error):
    office.errors.append(error)
    crew.call()
    office.wait_until(lambda: bool(caplog.records))
    assert str(error) in caplog.text
    office.waiting = 1
    crew.call()
    office.wait_until(lambda: office.done == 1)


# The end


def test_the_end_waits_for_what_is_under_way_and_begins_nothing(crew, office, settings):
    settings.MAILSETUP = {"INLINE_THREADS": 1}
    office.open.clear()
    office.waiting = 2 * engines.BATCH
    crew.call()
    office.wait_until(lambda: office.busy == 1)
    ending = threading.Thread(target=crew.end, kwargs={"finish": 20})
    ending.start()
    office.wait_until(crew._over.is_set)
    office.open.set()
    ending.join(20)
    assert office.done == engines.BATCH
    assert not crew._threads


def test_the_end_drains_where_there_is_time_for_it(crew, office):
    office.waiting = 3 * engines.BATCH
    crew.call()
    crew.end(drain=20, finish=20)
    assert office.done == 3 * engines.BATCH


def test_the_end_does_not_hang_on_a_message_that_does(crew, office):
    office.open.clear()
    office.waiting = 1
    crew.call()
    office.wait_until(lambda: office.busy == 1)
    began = monotonic()
    crew.end(drain=0.05, finish=0.05)
    assert monotonic() - began < 15
    assert office.busy == 1


# Sweeping


@pytest.mark.django_db(transaction=True)
def test_what_a_sweep_finds_due_is_delivered(crew, office, often, swept):
    office.waiting = 1
    crew.sweep(lambda: True)
    office.wait_until(lambda: office.done == 1)
    assert set(swept) == {"mailsetup-sweep"}
    assert Lease.objects.get(name=turns.LEASE).holder == workers.identity()


@pytest.mark.django_db(transaction=True)
def test_only_the_process_that_holds_the_lease_sweeps(crew, office, often, swept):
    Lease.take(turns.LEASE, "another process", 600)
    asked = []
    crew.sweep(lambda: asked.append(1) or True)
    office.wait_until(lambda: len(asked) > 3)
    assert not swept
    Lease.release(turns.LEASE, "another process")
    office.wait_until(lambda: bool(swept))


@pytest.mark.django_db(transaction=True)
def test_the_end_leaves_the_turn_to_others(crew, office, often, swept):
    crew.sweep(lambda: True)
    office.wait_until(lambda: bool(swept))
    crew.end(finish=20)
    assert not Lease.objects.filter(name=turns.LEASE).exists()


@pytest.mark.django_db(transaction=True)
def test_sweeping_ends_when_it_is_not_wanted_any_more(crew, office, often, swept):
    crew.sweep(lambda: len(swept) < 2)
    office.wait_until(lambda: not crew.sweeps)
    assert len(swept) == 2


@pytest.fixture
def own_process(monkeypatch, office):
    """The engine as a process finds it that has just started."""
    process = inline._Process()
    monkeypatch.setattr(inline, "_process", process)
    yield process
    process.crew.end(finish=20)


def test_a_request_starts_nothing_where_the_mail_goes_another_way(own_process, settings):
    # The test runner has put another backend there.
    settings.MAILSETUP = {"ENGINE": "inline"}
    request_started.send(sender=None)
    assert not own_process.crew.sweeps


def test_a_request_starts_nothing_with_another_engine(own_process, ours):
    ours.MAILSETUP = {"ENGINE": "worker"}
    request_started.send(sender=None)
    assert not own_process.crew.sweeps


def test_the_first_request_of_a_process_starts_the_sweeping(own_process, ours):
    ours.MAILSETUP = {"ENGINE": "inline"}
    request_started.send(sender=None)
    sweeper = own_process.crew._sweeper
    assert sweeper.is_alive()
    request_started.send(sender=None)
    assert own_process.crew._sweeper is sweeper


def test_a_request_does_not_fail_where_no_thread_can_be_started(own_process, ours, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    ours.MAILSETUP = {"ENGINE": "inline"}
    monkeypatch.setattr(threading.Thread, "start", refuse)
    request_started.send(sender=None)
    assert not own_process.crew.sweeps


def test_a_notice_delivers_and_starts_the_sweeping(own_process, office, settings):
    settings.MAILSETUP = {"ENGINE": "inline"}
    office.waiting = 1
    engines.notify([1])
    office.wait_until(lambda: office.done == 1)
    assert own_process.crew.sweeps


# Whole processes

PROLOGUE = """
import os, sys, threading, time
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["mailsetup"], SECRET_KEY="only for this test", USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from mailsetup.delivery.outbox import courier, engines
from mailsetup.delivery.outbox.engines import inline
lock, waiting = threading.Lock(), [0]
def work_once(limit, *, worker, goes_on):
    with lock:
        if not waiting[0]:
            return 0
        waiting[0] -= 1
    time.sleep(0.05)
    # One write, whole: two processes share the pipe.
    os.write(1, f"{os.getpid()}\\n".encode())
    return 1
courier.work_once = work_once
"""


def run_process(code: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROLOGUE + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return [int(line) for line in done.stdout.split()]


def test_a_process_that_ends_delivers_what_it_was_told_of():
    pids = run_process("waiting[0] = 6; engines.notify([1, 2, 3, 4, 5, 6])")
    assert len(pids) == 6


def test_a_process_that_ends_does_not_wait_for_a_server_that_hangs():
    run_process(
        """
        hung = threading.Event()
        def hang(limit, *, worker, goes_on):
            hung.set()
            time.sleep(600)
        courier.work_once = hang
        inline.DRAIN = inline.FINISH = 0.1
        engines.notify([1])
        hung.wait(20)
        """
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_meets_no_thread_and_both_processes_go_on():
    pids = run_process(
        """
        waiting[0] = 4
        engines.notify([1, 2, 3, 4])
        child = os.fork()
        assert threading.active_count() == 1 or child
        if child == 0:
            waiting[0] = 2
            engines.notify([5, 6])
            sys.exit()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """
    )
    counts = sorted(pids.count(pid) for pid in {*pids})
    assert counts == [2, 4]
