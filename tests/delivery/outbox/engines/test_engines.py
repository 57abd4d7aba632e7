"""Who is told of waiting mails, and that nobody's failure reaches the caller."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from mailsetup import checks
from mailsetup.delivery.outbox import engines

ROOT = Path(__file__).parents[4]
told: list[list[int]] = []


def own_engine(pks):
    told.append(pks)


class OwnEngine:
    """An engine that is made once."""

    def __init__(self) -> None:
        self.made = len(told)

    def __call__(self, pks):
        told.append([self.made, *pks])


def failing_engine(pks):
    told.append(pks)
    raise ConnectionError("the broker is away")


clock = {"now": 0, "takes": 0}


def slow_engine(pks):
    clock["now"] += clock["takes"]
    failing_engine(pks)


@pytest.fixture(autouse=True)
def _nobody_was_told():
    told.clear()
    engines._load.cache_clear()


@pytest.fixture
def use(settings):
    """Return a function that puts an engine of this module, or a named one, in force."""

    def put(name):
        settings.MAILSETUP = {"ENGINE": name if name in engines.NAMES else f"{__name__}.{name}"}

    return put


def test_an_own_engine_is_given_the_primary_keys(use):
    use("own_engine")
    engines.notify((3, 4))
    assert told == [[3, 4]]


def test_an_own_class_is_made_once_and_called(use):
    use("OwnEngine")
    engines.notify([3])
    engines.notify([4])
    assert told == [[0, 3], [0, 4]]


def test_nobody_is_told_of_no_messages(use):
    use("own_engine")
    engines.notify([])
    assert told == []


def test_an_own_engine_is_not_woken_by_a_sweep(use):
    use("own_engine")
    engines.wake(5)
    assert told == []


def test_the_worker_is_told_nothing_and_nothing_is_logged(use, caplog):
    use("worker")
    engines.notify([1])
    engines.wake(1)
    assert not caplog.records


def test_a_failing_engine_is_told_of_in_the_log_only(use, caplog):
    use("failing_engine")
    engines.notify([1])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "failing_engine" in record.getMessage()
    assert "ConnectionError: the broker is away" in record.getMessage()


@pytest.mark.parametrize(("took", "pause"), [(0, 5), (2, 20), (100, 60)])
def test_a_failing_engine_is_left_alone_for_a_while(use, caplog, monkeypatch, took, pause):
    use("slow_engine")
    clock["now"], clock["takes"] = 1000, took
    monkeypatch.setattr(engines, "monotonic", lambda: clock["now"])
    engines.notify([1])
    clock["now"] += pause - 1
    engines.notify([2])
    assert told == [[1]]
    assert len(caplog.records) == 1
    clock["now"] += 1
    engines.notify([3])
    assert told == [[1], [3]]


def test_an_engine_that_cannot_be_loaded_is_logged_and_reported_by_a_check(use, caplog):
    use("missing_engine")
    engines.notify([1])
    assert "missing_engine" in caplog.text
    (found,) = checks.check_engine()
    assert found.id == "mailsetup.E004"
    assert "missing_engine" in found.msg


@pytest.mark.parametrize("name", engines.NAMES)
def test_the_engines_of_mailsetup_can_be_loaded(use, name):
    use(name)
    assert checks.check_engine() == []


# What a site without these packages meets; in a process of its own, whose imports are forbidden.
WITHOUT = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("celery", "django_tasks"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Forbidden())
import django
django.setup()
from django.core.checks import run_checks
from mailsetup.delivery.outbox import engines
import mailsetup.tasks
assert not hasattr(mailsetup.tasks, "sweep")
assert not [one for one in run_checks() if one.id == "mailsetup.E004"]
engines.notify([1])
print("done")
"""


def test_nothing_needs_celery_or_the_backport_unless_it_is_chosen():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "done\n", done.stderr
