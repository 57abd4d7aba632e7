"""A server that takes fewer connections than the profile allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.utils import timezone

from mailsetup import effective
from mailsetup.delivery.outbox import courier
from mailsetup.delivery.outbox import seats as seats_module
from mailsetup.delivery.outbox.standing import Standing
from mailsetup.models import Attempt, Message
from tests.smtp.hostile import Dialogue, HostileServer

from .conftest import mail, put
from .test_standing import change

CROWDED = "421 4.7.0 mx Error: too many connections from 127.0.0.1"


@pytest.fixture
def own(monkeypatch) -> seats_module._Seats:
    """The seats of one test alone."""
    seats = seats_module._Seats()
    monkeypatch.setattr(courier, "seats", seats)
    return seats


@contextmanager
def crowded(greeting: str) -> Iterator[None]:
    """Have the profile go by a server that turns its connection away."""
    dialogue = Dialogue("crowded", connections=[[f"S: {greeting}", "close"]])
    full = HostileServer(dialogue, None, bytewise=False)
    try:
        change(host="127.0.0.1", port=full.port, encryption="none", login="none")
        yield
    finally:
        full.finish()


@pytest.mark.parametrize("greeting", [CROWDED, "421 busy"])
@pytest.mark.parametrize("others", [0, 1, 2])
def test_one_connection_too_many_is_given_up_and_the_others_go_on(
    profile, work, own, monkeypatch, greeting, others
):
    with crowded(greeting):
        put(mail())
        for _ in range(others):
            assert own.take("shop", 3)
        work()
    assert Standing(effective.resolve()).is_held is (others == 0)
    attempt = Attempt.objects.get()
    assert (attempt.stage, attempt.code) == ("greeting", 421)
    # Those that others have are all that there are, for a while.
    assert own.take("shop", 3) is (others == 0)
    monkeypatch.setattr(seats_module, "monotonic", lambda: time.monotonic() + 301)
    assert own.take("shop", 3)


def test_process_that_gets_no_connection_leaves_the_profile_to_who_has_one(
    profile, work, own, monkeypatch
):
    with crowded(CROWDED):
        put(mail(), mail())
        # Another process's worker.
        Standing(effective.resolve()).works()
        work()
    assert not Standing(effective.resolve()).is_held
    assert Attempt.objects.count() == 1
    Message.objects.update(due_at=timezone.now())
    assert work() == 0
    assert not own.take("shop", 3)
    monkeypatch.setattr(seats_module, "monotonic", lambda: time.monotonic() + 61)
    assert own.take("shop", 3)
