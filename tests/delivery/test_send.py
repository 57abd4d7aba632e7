"""Messages are sent and settled one by one; what happened is logged and signalled."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace

import pytest

from mailsetup.delivery import reporting
from mailsetup.delivery import send as send_module
from mailsetup.delivery.reporting import report
from mailsetup.delivery.send import send
from mailsetup.exceptions import InvalidProfileError, SecretUnavailableError
from mailsetup.signals import recipient_refused
from mailsetup.smtp.account import Secret
from mailsetup.smtp.errors import ContentRefusedError, Outcome, RecipientsRefusedError
from mailsetup.smtp.pool import pool
from tests.backend_servers import PASSWORD
from tests.delivery.profiles import in_force, mail


@contextmanager
def receiving(receiver):
    recipient_refused.connect(receiver, weak=False)
    try:
        yield
    finally:
        recipient_refused.disconnect(receiver)


@pytest.fixture
def account(server):
    """The account of the test's server, in force."""
    return in_force(**server.settings, login="password", password=Secret(PASSWORD))


@pytest.fixture
def deliver(account):
    """Return a function that sends messages over a connection of the pool."""

    def deliver(*messages, effective=account):
        session = pool.borrow(effective.account)
        try:
            return send(messages, effective, session, sender=object)
        finally:
            pool.give_back(session)

    return deliver


def test_messages_are_settled_in_order(server, deliver):
    first, second = mail(subject="one"), mail(subject="two")
    settled = deliver(first, second)
    assert [(one.message, one.sent, one.error) for one in settled] == [
        (first, True, None),
        (second, True, None),
    ]
    assert [one.parsed["Subject"] for one in server.mails] == ["one", "two"]
    assert server.auth_commands == 1


def test_an_invalid_address_keeps_nobody_else_back(server, deliver):
    settled = deliver(mail(), mail(to=["nobody <"]), mail())
    assert [one.sent for one in settled] == [True, False, True]
    assert isinstance(settled[1].error, ValueError)
    assert len(server.mails) == 2


def test_only_invalid_messages_reach_no_server(server, deliver):
    (settled,) = deliver(mail(to=["nobody <"]))
    assert not settled.sent
    assert server.mails == []


def test_a_refused_recipient_is_logged_and_signalled_the_others_get_it(server, deliver, caplog):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    message = mail(to=["bob@example.com", "gone@example.com"])
    heard = []
    with receiving(lambda **kwargs: heard.append(kwargs)):
        (settled,) = deliver(message)
    assert settled.sent
    assert settled.error is None
    (arrived,) = server.mails
    assert arrived.recipients == ["bob@example.com"]
    (kwargs,) = heard
    assert (kwargs["recipient"], kwargs["message"]) == ("gone@example.com", message)
    assert (kwargs["sender"], kwargs["profile"]) == (object, "")
    error = kwargs["error"]
    assert (error.code, error.enhanced_code, error.outcome) == (
        550,
        "5.1.1",
        Outcome.FAILED_RECIPIENT,
    )
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "gone@example.com" in record.getMessage()
    assert "No such user" in record.getMessage()


def test_every_recipient_refused_is_a_failure(server, deliver):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    (settled,) = deliver(mail(to=["gone@example.com"]))
    assert not settled.sent
    assert isinstance(settled.error, RecipientsRefusedError)


def test_a_refused_content_fails_that_message_only(server, deliver):
    server.refuse_content = "554 5.7.1 Spam"
    (settled,) = deliver(mail())
    assert isinstance(settled.error, ContentRefusedError)
    server.refuse_content = ""
    assert deliver(mail())[0].sent


def test_a_receiver_that_raises_changes_nothing_and_is_logged(server, deliver, caplog):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}

    def broken(**kwargs):
        raise ZeroDivisionError

    heard = []
    with receiving(broken), receiving(lambda **kwargs: heard.append(kwargs)):
        settled = deliver(mail(to=["bob@example.com", "gone@example.com"]), mail())
    assert [one.sent for one in settled] == [True, True]
    assert len(heard) == 1
    assert any("broken" in record.getMessage() for record in caplog.records)


def test_a_receiver_that_sends_mail_starts_no_chain(server, deliver):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    calls = []

    def answering(**kwargs):
        calls.append(kwargs)
        deliver(mail(to=["bob@example.com", "gone@example.com"], subject="refused"))

    with receiving(answering):
        deliver(mail(to=["bob@example.com", "gone@example.com"]))
    assert len(calls) == 1
    assert len(server.mails) == 2


def test_a_log_handler_that_raises_changes_nothing(server, deliver):
    class Broken(logging.Handler):
        def emit(self, record):
            raise ConnectionRefusedError("the mail about the mail failed")

    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    handler = Broken()
    reporting.logger.addHandler(handler)
    try:
        (settled,) = deliver(mail(to=["bob@example.com", "gone@example.com"]))
    finally:
        reporting.logger.removeHandler(handler)
    assert settled.sent


def test_after_a_report_the_next_one_is_heard(caplog):
    with caplog.at_level(logging.WARNING, "mailsetup"):
        report(logging.WARNING, "first")
        report(logging.WARNING, "second %s", "x")
    assert [record.getMessage() for record in caplog.records] == ["first", "second x"]


def test_a_profile_that_does_not_send_drops_loudly(server, caplog):
    effective = in_force(**server.settings, do_not_send=True)
    with caplog.at_level(logging.WARNING, "mailsetup"):
        (settled,) = send([mail(to=["a@example.com", "b@example.com"])], effective, None)
    assert settled.sent
    assert server.connections == 0
    assert "(recipients: 2) was dropped" in caplog.text


def test_an_account_that_cannot_be_used_sends_nothing(server):
    with pytest.raises(InvalidProfileError):
        send([mail()], in_force(host=""), None)


def test_a_long_batch_goes_out_in_groups(server, deliver, monkeypatch):
    monkeypatch.setattr(send_module, "BATCH_MESSAGES", 2)
    settled = deliver(*(mail(subject=str(number)) for number in range(5)))
    assert [one.sent for one in settled] == [True] * 5
    assert [one.parsed["Subject"] for one in server.mails] == [*"01234"]
    assert server.auth_commands == 1


def test_large_messages_go_out_in_groups(server, deliver, monkeypatch):
    monkeypatch.setattr(send_module, "BATCH_BYTES", 1000)
    sizes = []
    real = send_module._deliver

    def counted(envelopes, *args):
        sizes.append(len(envelopes))
        return real(envelopes, *args)

    monkeypatch.setattr(send_module, "_deliver", counted)
    deliver(*(mail(body="x" * size) for size in (10, 2000, 2000, 10)))
    assert sizes == [2, 1, 1]
    assert len(server.mails) == 4


def test_a_connection_that_broke_is_replaced_and_nothing_goes_twice(server, account):
    session = pool.borrow(account.account)
    session.close()
    settled = send([mail(), mail()], account, session)
    assert [one.sent for one in settled] == [True, True]
    assert len(server.mails) == 2


def test_a_broken_connection_gives_its_place_to_the_next(server, account):
    one_only = replace(account.account, max_connections=1, timeout=1)
    vars(account)["account"] = one_only
    session = pool.borrow(one_only)
    session.close()
    assert [one.sent for one in send([mail()], account, session)] == [True]


def test_a_secret_lost_meanwhile_is_told_by_the_message(server, account):
    opened = [PASSWORD]

    def source():
        if not opened:
            raise SecretUnavailableError
        return opened.pop()

    effective = in_force(**server.settings, login="password", password=Secret(PASSWORD))
    effective = replace(effective, secret=Secret(source))
    session = pool.borrow(effective.account)
    session.close()
    (settled,) = send([mail()], effective, session)
    assert not settled.sent
    assert settled.error is not None
    assert server.mails == []
