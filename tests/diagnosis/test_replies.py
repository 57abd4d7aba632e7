"""Replies as servers give them, which the rules were not written from."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsetup.diagnosis import judge
from mailsetup.smtp.errors import Outcome, Stage

from .replies import refusal

LINES = (Path(__file__).parent / "replies.txt").read_text(encoding="utf-8").splitlines()[1:]


@pytest.mark.parametrize("line", LINES)
def test_reply_has_the_outcome_that_people_would_give_it(line):
    outcome, stage, reply = line.split(maxsplit=2)
    assert judge(refusal(reply, Stage(stage))).outcome is Outcome(outcome)


def test_each_outcome_of_a_reply_is_among_them():
    known = set(Outcome) - {Outcome.SENT, Outcome.AMBIGUOUS}
    assert {Outcome(line.split()[0]) for line in LINES} == known
