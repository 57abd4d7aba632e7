"""A server that refuses, hangs up, falls silent or talks without end, at every stage."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from mailsetup.delivery.outbox import courier, sweep
from mailsetup.effective import resolve
from mailsetup.models import Attempt, Message, ProfileState, SMTPProfile, State
from mailsetup.smtp.account import Account

from .conftest import WORKER, mail, put
from .postbox import CUT, DRIP, ENDLESS, SILENT, STAGES

Q, F, A = State.QUEUED, State.FAILED, State.AMBIGUOUS
# What becomes of the first of two messages, and of the attempt, where each stage fails.
REFUSED_FOR_NOW = dict.fromkeys(STAGES, (Q, "retry"))
REFUSED = {
    "greeting": (Q, "fix_profile"),
    "EHLO": (Q, "fix_profile"),
    "AUTH": (Q, "stop_profile"),
    "MAIL": (F, "fix_profile"),
    "RCPT": (F, "failed_recipient"),
    "DATA": (F, "failed_message"),
    "dot": (F, "failed_message"),
}
HUNG_UP = dict.fromkeys(STAGES, (Q, "retry")) | {"dot": (A, "ambiguous")}
CODES = {"greeting": "{}21", "AUTH": "{}35 {}.7.8", "RCPT": "{}50 {}.1.1"}


def first() -> tuple[State, str, str]:
    """Return the state of the first message, and stage and outcome of its last attempt."""
    row = Message.objects.order_by("pk").first()
    attempt = row.attempts.last()
    return State(row.state), attempt.stage, attempt.outcome


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", ["4", "5", CUT])
def test_each_stage_that_fails_settles_the_message_as_it_should(boxed, box, kind, stage):
    if kind == CUT:
        rule, expected = CUT, HUNG_UP[stage]
    else:
        rule = CODES.get(stage, "{}51 {}.3.0").format(kind, kind) + " No"
        # 521: a server that takes no mail at all. 421: it closes.
        expected = (REFUSED if kind == "5" else REFUSED_FOR_NOW)[stage]
    put(mail(), mail())
    box.rules = {stage: rule}
    courier.work_once(10, worker=WORKER)
    state, outcome = first()[0], first()[2]
    assert (state, outcome) == expected
    assert box.accepted == []
    # Whatever concerned the server is over: who waits goes out, once, and who failed does not.
    box.rules = {}
    ProfileState.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    Message.objects.filter(state=Q).update(due_at=timezone.now())
    while courier.work_once(10, worker=WORKER):
        pass
    sent = Message.objects.filter(state=State.SENT)
    assert sorted(box.accepted) == sorted(sent.values_list("message_id", flat=True))
    assert set(Message.objects.values_list("state", flat=True)) <= {State.SENT, state} - {Q}


def test_silence_after_the_dot_is_not_known_and_no_other_worker_sends(boxed, box, monkeypatch):
    monkeypatch.setattr(Account, "final_timeout", property(lambda self: self.timeout))
    put(mail())
    seen = []

    def look(message_id: str) -> None:
        # While the first worker waits for the answer.
        row = Message.objects.get()
        seen.append(row.claimed_until - timezone.now())
        swept = sweep.sweep()
        seen.append((swept.freed, swept.ambiguous, courier.work_once(10, worker=WORKER)))
        connections.close_all()

    box.on_dot = look
    box.rules = {"dot": SILENT}
    courier.work_once(10, worker=WORKER)
    left, others = seen
    assert others == (0, 0, 0)
    account = resolve().account
    assert left > timedelta(seconds=1.5 * account.time_to_send(0))
    assert first() == (A, "content", "ambiguous")
    assert len(box.accepted) == 1


def test_claim_that_ships_outlasts_the_slowest_server(boxed, box, settings):
    """Without anybody to renew it, from the claim to the end of the first attempt."""
    put(mail(), mail())
    seen = []

    def look(message_id: str) -> None:
        rows = Message.objects.filter(state=State.SENDING).order_by("pk")
        now = timezone.now()
        seen.append([(row.claimed_until - now).total_seconds() for row in rows])
        connections.close_all()

    box.on_dot = look
    SMTPProfile.objects.update(timeout=300)
    courier.work_once(10, worker=WORKER)
    account = resolve().account
    assert seen[0][0] > 1.5 * account.final_timeout
    # The one that waits behind it is not taken away meanwhile.
    assert seen[0][1] > account.time_to_send(0)


@pytest.mark.parametrize("rule", [DRIP, ENDLESS])
@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "dot"])
def test_talk_without_end_is_given_up(boxed, box, monkeypatch, stage, rule):
    monkeypatch.setattr(Account, "final_timeout", property(lambda self: self.timeout))
    monkeypatch.setattr(Account, "time_to_open", lambda self: 0.5)
    monkeypatch.setattr(Account, "time_to_send", lambda self, size, messages=1: 0.5)
    put(mail())
    box.rules = {stage: rule}

    def run():
        try:
            courier.work_once(5, worker=WORKER)
        finally:
            connections.close_all()

    done = threading.Thread(target=run)
    done.start()
    done.join(20)
    assert not done.is_alive()
    assert first()[0] == (A if stage == "dot" else Q)


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("dot", "550 5.4.5 Daily user sending limit exceeded."),
        ("MAIL", "454 Throttling failure: Daily message quota exceeded."),
        ("RCPT", "550 5.7.1 You have exceeded your daily sending limit."),
    ],
)
def test_quota_holds_the_profile_whatever_its_code(boxed, box, stage, reply):
    put(mail(), mail(), mail())
    box.rules = {stage: reply}
    courier.work_once(10, worker=WORKER)
    assert set(Message.objects.values_list("state", flat=True)) == {Q}
    # The envelope of the second was on its way already.
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"hold"}
    assert Attempt.objects.count() <= 2
    held = ProfileState.objects.get().held_until
    assert held > timezone.now() + timedelta(minutes=5)
    # Nobody asks before the window is over; then one message does, and the others follow.
    before = dict(box.commands)
    assert courier.work_once(10, worker=WORKER) == 0
    assert box.commands == before
    box.rules = {}
    ProfileState.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    Message.objects.update(due_at=timezone.now())
    assert courier.work_once(10, worker=WORKER) == 1
    assert courier.work_once(10, worker=WORKER) == 2
    assert len(set(box.accepted)) == 3
