"""The signals: their arguments are those that the documentation tells of, in that order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.mail import EmailMessage, send_mail

from mailsetup import signals
from mailsetup.backends import EmailBackend
from mailsetup.models import Message, State
from mailsetup.testing import deliver_all, use_mailsetup

PAGE = (Path(__file__).parents[1] / "docs" / "signals.md").read_text(encoding="utf-8")
SIGNALS = {name: value for name, value in vars(signals).items() if isinstance(value, signals.Told)}
SECTIONS = dict(re.findall(r"(?ms)^## `mailsetup\.signals\.(\w+)`$(.+?)(?=^## |\Z)", PAGE))


@pytest.mark.parametrize("name", SIGNALS)
def test_documented_arguments_are_the_defined_ones(name):
    told = re.findall(r"(?m)^\| `(\w+)` \|", SECTIONS[name])
    assert told == ["sender", *SIGNALS[name].arguments]


@pytest.mark.parametrize("name", SIGNALS)
def test_documented_receiver_takes_arguments_that_exist(name):
    for arguments in re.findall(r"(?m)^def \w+\(sender, (.+), \*\*kwargs\):$", SECTIONS[name]):
        assert set(arguments.split(", ")) <= set(SIGNALS[name].arguments)


def test_what_the_issue_asks_for_is_there():
    assert {*SIGNALS} == {
        "message_queued",
        "message_sent",
        "message_failed",
        "recipient_refused",
        "profile_stopped",
    }


def test_states_of_a_failed_message_exist():
    (row,) = re.findall(r"(?m)^\| `state` \|(.+)$", SECTIONS["message_failed"])
    states = set(re.findall(r"`(\w+)`", row))
    assert states == {"failed", "ambiguous", "set_aside", "expired"} <= set(State.values)


@pytest.fixture
def told():
    """Return a function that gives (name, sender, arguments) of what was sent so far."""
    heard = []
    receivers = []
    for name, signal in SIGNALS.items():

        def receiver(sender, signal, name=name, **arguments):
            heard.append((name, sender, arguments))

        receivers.append((signal, receiver))
        signal.connect(receiver)
    yield lambda: [
        (name, sender, arguments)
        for name, sender, arguments in heard
        if set(arguments) == set(SIGNALS[name].arguments) or pytest.fail(f"{name}: {arguments}")
    ]
    for signal, receiver in receivers:
        signal.disconnect(receiver)


@pytest.mark.django_db
class TestInTheBackground:
    def test_queued_and_sent_are_told_with_the_row(self, told):
        with use_mailsetup(background=True):
            message = EmailMessage("Hi", "Text", "shop@example.com", ["ann@example.com"])
            message.send()
            deliver_all()
        row = Message.objects.get()
        (queued, by_backend, before), (sent, by_outbox, after) = told()
        assert (queued, by_backend) == ("message_queued", EmailBackend)
        assert (before["message"], before["entry"]) == (message, row)
        assert (sent, by_outbox) == ("message_sent", Message)
        assert (after["message"], after["entry"], after["profile"]) == (None, row, "default")
        assert after["accepted"] == ("ann@example.com",)
        assert before["message_id"] == after["message_id"] == row.message_id

    def test_failed_tells_the_cause(self, told):
        with use_mailsetup(background=True) as server:
            server.refuse_recipient("ann@example.com")
            send_mail("Hi", "Text", None, ["ann@example.com"])
            deliver_all()
        refused, failed = (arguments for _, _, arguments in told()[1:])
        assert [name for name, _, _ in told()[1:]] == ["recipient_refused", "message_failed"]
        assert refused["recipient"] == "ann@example.com"
        assert refused["error"].code == failed["error"].code == 550
        assert (failed["cause"], failed["state"]) == ("rcpt_unknown", State.FAILED)
        assert failed["reports_failure"] is False

    def test_stopped_is_told_once(self, told):
        with use_mailsetup(background=True) as server:
            server.refuse_login()
            send_mail("Hi", "Text", None, ["ann@example.com"])
            for _ in range(4):
                deliver_all(skip_waits=True)
        (_, stopped) = told()
        assert stopped[:2] == ("profile_stopped", Message)
        assert (stopped[2]["profile"], stopped[2]["error"].code) == ("default", 535)
        assert "535" in stopped[2]["reason"]
