"""mailsetup's backend is held to Django's own tests of its SMTP backend."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import django
import pytest

from .sdist import DownloadError, django_tests

HERE = Path(__file__).parent
VERSION = "{}.{}".format(*django.VERSION[:2])
RUN_SECONDS = 300


def left_out() -> dict[str, str]:
    """Return the tests left out on this Django, with their reasons."""
    entries = tomllib.loads((HERE / "left_out.toml").read_text())
    return {
        name: entry["reason"] for name, entry in entries.items() if VERSION in entry["versions"]
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs Django's tests against a backend and gives their statuses."""
    try:
        tests = django_tests()
    except DownloadError as error:
        pytest.skip(f"Django's source distribution could not be downloaded: {error}")

    def run(*backend: str) -> dict[str, dict[str, str]]:
        report = tmp_path_factory.mktemp("django_suite") / "result.json"
        done = subprocess.run(
            [sys.executable, "-m", "tests.django_suite.runner", tests, report, *backend],
            check=False,
            cwd=HERE.parents[1],
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(report.read_text())

    return run


@pytest.fixture(scope="module")
def ours(run):
    """The statuses of Django's tests against mailsetup's backend."""
    return run()


def test_each_test_passes_or_is_left_out_by_name(ours):
    failures = {
        name: test["detail"]
        for name, test in ours.items()
        if test["status"] != "passed" and name not in left_out()
    }
    report = "\n".join(f"== {name}\n{detail}" for name, detail in failures.items())
    assert not failures, f"{len(failures)} of {len(ours)} tests of Django fail:\n{report}"


def test_none_is_left_out_that_passes(ours):
    passing = [name for name in left_out() if ours.get(name, {}).get("status") == "passed"]
    assert not passing, "take these out of left_out.toml"


def test_none_is_left_out_that_does_not_exist(ours):
    assert set(left_out()) <= set(ours)


def test_each_reason_is_a_sentence():
    for name, reason in left_out().items():
        assert len(reason.split()) >= 5, name
        assert reason.endswith("."), name


def test_both_classes_ran(ours):
    classes = [name.partition(".")[0] for name in ours]
    assert classes.count("SMTPBackendTests") >= 50
    assert classes.count("SMTPBackendStoppedServerTests") == 2


def test_another_kind_of_backend_fails(run):
    statuses = run("django.core.mail.backends.dummy.EmailBackend")
    assert statuses["SMTPBackendTests.test_send"]["status"] == "failed"
