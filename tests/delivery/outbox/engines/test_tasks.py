"""The engines of tasks: what is handed to them, and what a task does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import django
import pytest

from mailsetup.delivery.outbox import engines, workers
from mailsetup.delivery.outbox.engines import celery as celery_engine
from mailsetup.delivery.outbox.engines import jobs
from mailsetup.delivery.outbox.engines import tasks as tasks_engine
from mailsetup.delivery.outbox.sweep import Swept
from tests.servers.process import free_ports

ROOT = Path(__file__).parents[4]
TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"


# What a task does


def test_a_task_delivers_what_is_urgent_and_then_its_own_messages(office):
    office.waiting = 3
    assert jobs.deliver([7, 8]) == 5
    assert office.done == 3
    assert office.keys == [7, 8]
    assert office.handled[0][1] == workers.identity()


def test_the_task_after_a_sweep_delivers_until_nothing_is_due(office):
    office.waiting = 2 * jobs.LIMIT + 1
    assert jobs.deliver_due() == 2 * jobs.LIMIT + 1
    assert len(office.handled) == 3


def test_a_task_ends_when_its_time_is_up(office, monkeypatch):
    clock = iter(range(0, 1000, 8))
    monkeypatch.setattr(jobs, "monotonic", lambda: next(clock))
    office.waiting = 100 * jobs.LIMIT
    done = jobs.deliver_due()
    assert 0 < done < 10 * jobs.LIMIT


def test_a_sweep_wakes_the_engine_for_what_is_due(monkeypatch, settings):
    woken = []
    monkeypatch.setattr(jobs, "sweep", lambda: Swept(due=4))
    monkeypatch.setattr(engines, "wake", woken.append)
    assert jobs.sweep_and_wake() == 4
    assert woken == [4]


@pytest.mark.parametrize(
    ("due", "tasks"),
    [(1, 1), (jobs.LIMIT, 1), (jobs.LIMIT + 1, 2), (1_000_000, jobs.MOST)],
)
def test_a_sweep_starts_as_many_tasks_as_are_of_use(due, tasks):
    assert jobs.tasks_for(due) == tasks


# Celery


@pytest.fixture
def started(monkeypatch):
    """The Celery tasks started: name, arguments and options of each."""
    found = []

    def record(task):
        def apply_async(args=(), **options):
            found.append((task.name, args, options))

        return apply_async

    for task in (celery_engine.deliver, celery_engine.deliver_due):
        monkeypatch.setattr(task, "apply_async", record(task))
    return found


def test_celery_is_given_primary_keys_in_parts(started, settings):
    settings.MAILSETUP = {"ENGINE": "celery"}
    engines.notify(range(jobs.LIMIT + 1))
    assert started == [
        ("mailsetup.deliver", ([*range(jobs.LIMIT)],), {"retry": False}),
        ("mailsetup.deliver", ([jobs.LIMIT],), {"retry": False}),
    ]


def test_celery_s_tasks_after_a_sweep_give_way_to_those_of_the_next(started, settings):
    settings.MAILSETUP = {"ENGINE": "celery", "SWEEP_SECONDS": 12}
    engines.wake(jobs.LIMIT + 1)
    assert started == [("mailsetup.deliver_due", (), {"retry": False, "expires": 12.0})] * 2


def test_celery_s_tasks_do_their_work_and_keep_no_result(office, monkeypatch):
    swept = []
    monkeypatch.setattr(jobs, "sweep_and_wake", lambda: swept.append(1))
    office.waiting = 1
    tasks = (celery_engine.deliver, celery_engine.deliver_due, celery_engine.sweep)
    celery_engine.deliver.apply(([5],))
    celery_engine.sweep.apply()
    assert (office.done, office.keys, swept) == (1, [5], [1])
    office.waiting = 1
    celery_engine.deliver_due.apply()
    assert office.done == 2
    assert all(task.ignore_result for task in tasks)


def test_celery_s_worker_finds_the_tasks_in_the_app():
    import mailsetup.tasks

    names = {getattr(mailsetup.tasks, name).name for name in mailsetup.tasks.__all__}
    assert names == {"mailsetup.deliver", "mailsetup.deliver_due", "mailsetup.sweep"}


NOTIFY = """
import django
django.setup()
from mailsetup.delivery.outbox import engines
engines.notify([1])
print("went on")
"""


def test_a_broker_that_is_away_does_not_fail_the_caller():
    (port,) = free_ports(1)
    done = subprocess.run(
        [sys.executable, "-c", NOTIFY],
        cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": "/dev/null",
            "SECRET_KEY": "only for this test",
            "MAIL_ENGINE": "celery",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "went on\n", done.stderr
    assert "“celery” could not be called" in done.stderr
    assert "Connection refused" in done.stderr


# django.tasks


@pytest.fixture
def tasks_backend(settings):
    """Return a function that puts a backend of ``django.tasks`` in force, and returns it."""
    settings.MAILSETUP = {"ENGINE": "tasks"}

    def put(name):
        path = f"{TASKS}.backends.{name.lower()}.{name}Backend"
        settings.TASKS = {"default": {"BACKEND": path}}
        return tasks_engine.deliver.get_backend()

    return put


def test_django_tasks_are_given_primary_keys_in_parts(tasks_backend):
    backend = tasks_backend("Dummy")
    engines.notify(range(jobs.LIMIT + 1))
    assert [(one.task.name, one.args) for one in backend.results] == [
        ("deliver", [[*range(jobs.LIMIT)]]),
        ("deliver", [[jobs.LIMIT]]),
    ]


def test_django_tasks_are_started_after_a_sweep(tasks_backend):
    backend = tasks_backend("Dummy")
    engines.wake(jobs.LIMIT + 1)
    assert [one.task.name for one in backend.results] == ["deliver_due"] * 2


def test_django_tasks_do_their_work(tasks_backend, office, monkeypatch):
    swept = []
    monkeypatch.setattr(jobs, "sweep_and_wake", lambda: swept.append(1))
    tasks_backend("Immediate")
    office.waiting = 1
    engines.notify([5])
    assert (office.done, office.keys) == (1, [5])
    office.waiting = 1
    engines.wake(1)
    assert office.done == 2
    tasks_engine.sweep.enqueue()
    assert swept == [1]
