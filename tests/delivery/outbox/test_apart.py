"""What only whole processes can show: they die, they are many, or their memory is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 120


def run(program: str, folder: Path, *arguments: str) -> Any:
    """Run one of the programs in `apart` and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.apart.{program}", str(folder), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def explains(state: str, accepted: int) -> bool:
    """Whether a row's state is true of a mail that the server accepted so many times."""
    return {"queued": accepted == 0, "sent": accepted == 1}.get(
        state, state == "ambiguous" and accepted <= 1
    )


@pytest.mark.parametrize("policy", ["hold", "resend"])
@pytest.mark.parametrize(("in_flight", "number"), [(1, 2), (3, 5)])
def test_worker_that_dies_at_any_call_loses_nothing(tmp_path, policy, in_flight, number):
    rounds = run("dying", tmp_path, policy, str(in_flight), str(number))
    assert len(rounds) > 40
    doubts = []
    for nth, one in enumerate(rounds, 1):
        told = f"call {nth}, {one['call']}: {one}"
        then, last = one["then"], one["at last"]
        if policy == "hold":
            assert all(map(explains, then["states"], then["accepted"])), told
            assert all(map(explains, last["states"], last["accepted"])), told
            in_doubt = last["states"].count("ambiguous")
        else:
            assert last["states"] == ["sent"] * number, told
            assert all(1 <= times <= 2 for times in last["accepted"]), told
            in_doubt = last["accepted"].count(2)
        doubts.append(in_doubt)
    # As many as are in flight, of them all; and doubt is no excuse for everything.
    assert max(doubts) == in_flight
    assert len([one for one in doubts if one]) < len(rounds) * 2 / 3


def test_mail_that_ends_its_worker_is_set_aside_and_the_others_go(tmp_path):
    found = run("crashing", tmp_path)
    assert (found["bad"], found["ended"]) == ("set_aside", 4)
    assert set(found["good"]) == {"sent"}
    assert found["accepted"] == found["different"] == len(found["good"])
    # Once it is known to be alone in it, it waits between two tries.
    assert found["waits"][0] == 0
    assert 20 < found["waits"][1] < found["waits"][2]


def test_wrong_password_is_tried_twice_by_all_workers_together(tmp_path):
    first, second, mended = run("refused", tmp_path)
    assert first == {"auth": 1, "states": {"queued": 1000}}
    assert second == {"auth": 2, "states": {"queued": 1000}}
    assert mended["states"] == {"sent": 1000}
    assert mended["accepted"] == 1000


def test_large_mails_go_one_at_a_time(tmp_path):
    for place, found in run("large", tmp_path, "10000000").items():
        assert found["states"] == ["sent"] * 6
        assert found["sizes"] == pytest.approx([1] * 6, rel=1e-3)
        assert found["files"] == 0
        # Reading, opening and sending one takes this much; six together would take twice that.
        assert found["rose"] < 11, place
