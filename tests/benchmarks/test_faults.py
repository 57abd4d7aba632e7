"""The kills of `benchmarks.faults`, in their short form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.traps import Traps
from benchmarks.postgres import programs

ROOT = Path(__file__).parents[2]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("database", "in_flight"), [("sqlite", 1), ("postgresql", 1), ("postgresql", 10)]
)
def test_killed_workers_lose_nothing_and_send_nothing_twice_unmarked(database, in_flight):
    if database == "postgresql" and programs() is None:
        pytest.skip("PostgreSQL is not installed")
    command = [sys.executable, "-m", "benchmarks.faults", "--database", database]
    command += ["--in-flight", str(in_flight)]
    done = subprocess.run(
        [*command, "--quick", "--json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    for policy, one in found.items():
        assert one["mails"] >= 500
        wrong = [one[what] for what in ("lost", "stuck", "unmarked", "untold", "wronged")]
        assert wrong == [[]] * 5
        # Two kills at each of three places leave a doubt.
        assert one["in_doubt"] >= 6, policy
    assert found["hold"]["twice"] == 0
    assert found["hold"]["shown"] >= 6
    # One that met three kills may have met each of them before the server had it.
    assert found["resend"]["accepted"] >= found["resend"]["mails"] - found["resend"]["set_aside"]
    assert 0 < found["resend"]["twice"] <= found["resend"]["in_doubt"]


def test_one_is_caught_by_a_trap_and_stays_until_let_go(tmp_path):
    traps = Traps(tmp_path)
    assert not traps.spring("here", recipient="an@example.com", nth=0)
    traps.set("here")
    names = ("binh@example.com", "chi@example.com")
    assert [traps.spring("here", recipient=name, nth=1) for name in names] == [True, False]
    assert traps.caught("here", 1) == {"recipient": "binh@example.com", "nth": 1}
    assert traps.holds("here")
    assert not traps.take_back("here")
    traps.clear("here")
    assert not traps.holds("here")
    traps.set("here")
    assert traps.take_back("here")
    assert not traps.spring("here", recipient="dung@example.com", nth=3)


def test_a_mail_that_was_caught_once_is_let_pass(tmp_path):
    traps = Traps(tmp_path)
    traps.set("here")
    assert traps.spring("here", recipient="an@example.com")
    traps.clear("here")
    traps.set("there")
    assert not traps.spring("there", recipient="an@example.com")
    assert traps.spring("there", recipient="binh@example.com")
