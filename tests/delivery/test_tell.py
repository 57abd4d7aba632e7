"""Signals about mails that are sent at once, with the arguments that are documented."""

from __future__ import annotations

import pytest
from django.core.mail import EmailMessage, send_mail

from mailsetup import signals
from mailsetup.backends import EmailBackend
from mailsetup.models import State

NAMES = ("message_queued", "message_sent", "message_failed", "recipient_refused")


@pytest.fixture
def told():
    heard: list[tuple[str, dict]] = []
    for name in NAMES:
        getattr(signals, name).connect(
            lambda _name=name, **arguments: heard.append((_name, arguments)),
            weak=False,
            dispatch_uid="test",
        )
    yield heard
    for name in NAMES:
        getattr(signals, name).disconnect(dispatch_uid="test")


def check(told: list[tuple[str, dict]]) -> None:
    for name, arguments in told:
        assert arguments.keys() - {"signal", "sender"} == set(getattr(signals, name).arguments)
        assert arguments["sender"] is EmailBackend
        assert arguments["entry"] is None


def test_sent_mail_is_told_with_those_who_got_it(stored, server, ours, told):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    message = EmailMessage("Hi", "Text", None, ["bob@example.com", "gone@example.com"])
    message.send()
    check(told)
    assert [name for name, _arguments in told] == ["recipient_refused", "message_sent"]
    sent = told[1][1]
    assert sent["message"] is message
    assert (sent["profile"], sent["accepted"]) == ("shop", ("bob@example.com",))
    assert server.mails[0].parsed["Message-ID"] == sent["message_id"]


def test_refused_mail_is_told_with_its_cause(stored, server, ours, told):
    server.refuse_content = "550 5.4.5 Daily user sending limit exceeded."
    with pytest.raises(OSError, match="limit exceeded"):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    check(told)
    ((name, arguments),) = told
    assert (name, arguments["state"]) == ("message_failed", State.FAILED)
    assert arguments["cause"]
    assert arguments["error"].code == 550
    assert not arguments["reports_failure"]


def test_mail_that_may_have_arrived_is_told_as_not_known(stored, server, ours, told):
    server.cut = True
    with pytest.raises(OSError, match="not known"):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    assert [arguments["state"] for _name, arguments in told] == [State.AMBIGUOUS]


def test_mail_that_met_no_server_is_told(stored, server, ours, told):
    server.refuse_login = True
    with pytest.raises(OSError, match="535"):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    check(told)
    assert [name for name, _arguments in told] == ["message_failed"]
