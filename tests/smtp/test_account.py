"""What an account refuses to carry, and never shows."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from mailsetup.smtp import Account, Encryption, Envelope, Login, Outcome, Secret, Session
from mailsetup.smtp.errors import InvalidAccountError, InvalidAddressError

from .postman import MemorySocket, Postman

CANARY = "c4n4ry-s3cret"


@pytest.mark.parametrize(
    "changes",
    [
        {"host": ""},
        {"host": "mx.example.com\r\nMAIL"},
        {"host": "mx example.com"},
        {"host": "mx\0.example.com"},
        {"host": "smtp://mx.example.com"},
        {"host": "mx.example.com:25"},
        {"host": "mx\u202e.example.com"},
        {"host": "a" * 70 + "é.example.com"},
        {"host": "x" * 254},
        {"port": 0},
        {"port": 70_000},
        {"ehlo_name": "me\r\nRSET"},
        {"ehlo_name": "me too"},
        {"username": "me\0you"},
        {"username": "me\nyou"},
        {"username": "me\x7f"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"deadline": -1.0},
    ],
    ids=repr,
)
def test_unsound_account_is_refused_before_anything_is_looked_up(monkeypatch, changes):
    monkeypatch.setattr("mailsetup.smtp.session.resolve", lambda *_: pytest.fail("looked up"))
    values = {"host": "mx.example.com", "username": "me", "password": Secret(CANARY)}
    with pytest.raises(InvalidAccountError) as caught:
        Session.open(Account(**values | changes))
    assert caught.value.outcome is Outcome.FIX_PROFILE
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "fe80::1%eth0", "mx.example.com.", "пошта.укр"]
)
def test_sound_hosts_pass(host):
    account = Account(host=host)
    account.check()
    assert account.ascii_host.isascii()


@pytest.mark.parametrize(
    ("username", "password"),
    [("", CANARY), ("me", ""), ("me", "a\0b"), ("me", "lone \udc80 surrogate")],
)
def test_unusable_credentials_never_reach_the_network(monkeypatch, username, password):
    monkeypatch.setattr("mailsetup.smtp.session.resolve", lambda *_: pytest.fail("looked up"))
    account = Account(host="mx.example.com", username=username, password=Secret(password))
    with pytest.raises(InvalidAccountError) as caught:
        Session.open(account)
    assert caught.value.stage == "login"
    assert caught.value.__context__ is None
    frames = []
    trace = caught.value.__traceback__
    while trace is not None:
        frames.append(
            repr(trace.tb_frame.f_locals) if "test_" not in trace.tb_frame.f_code.co_name else ""
        )
        trace = trace.tb_next
    assert password == "" or not any(repr(password) in text for text in frames)


def test_secret_that_cannot_be_opened_raises_its_own_error_before_the_network(monkeypatch):
    monkeypatch.setattr("mailsetup.smtp.session.resolve", lambda *_: pytest.fail("looked up"))

    def locked() -> str:
        raise LookupError("enter the password again")

    account = Account(host="mx.example.com", username="me", password=Secret(locked))
    with pytest.raises(LookupError, match="again"):
        Session.open(account)


def test_secret_shows_itself_nowhere():
    secret = Secret(CANARY)
    account = Account(host="mx.example.com", password=secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>30}", repr(account)]
    shown += [repr(dataclasses.asdict(account)), repr(secret._source)]
    assert not any(CANARY in text for text in shown)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        pickle.dumps(account)
    assert copy.deepcopy(secret).reveal() == CANARY
    assert dataclasses.replace(account, port=25).password.reveal() == CANARY


def test_secret_from_a_callable_is_opened_each_time():
    values = iter(["one", "two"])
    secret = Secret(lambda: next(values))
    assert [secret.reveal(), secret.reveal()] == ["one", "two"]


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com\r\nRCPT TO:<x@example.com>",
        "a@example.com> SIZE=1 <b@example.com",
        "a b@example.com",
        "a\0@example.com",
        "a\x7f@example.com",
        "a\x85@example.com",
        "a\u2028@example.com",
        "a\u202e@example.com",
        '"a\r\n"@example.com',
        '"unended@example.com',
        "a@example.com" * 100,
    ],
    ids=repr,
)
def test_address_that_could_end_its_command_is_refused_alone(address):
    postman = Postman()
    session = Session(Account(host="mx.example.com", encryption=Encryption.NONE))
    session.sock = MemorySocket(postman)
    session.esmtp_features = {"smtputf8": "", "pipelining": ""}
    as_sender, as_recipient, beside = session.send(
        [
            Envelope(address, ("b@example.com",), b"x\r\n"),
            Envelope("a@example.com", (address,), b"x\r\n"),
            Envelope("a@example.com", ("b@example.com", address), b"x\r\n"),
        ]
    )
    assert as_sender.outcome is Outcome.FAILED_MESSAGE
    assert isinstance(as_sender.error, InvalidAddressError)
    assert as_recipient.outcome is Outcome.FAILED_RECIPIENT
    assert isinstance(beside.refused[address], InvalidAddressError)
    assert beside.accepted == ("b@example.com",)
    assert [mail.recipients for mail in postman.accepted] == [("b@example.com",)]
    for receipt in (as_sender, as_recipient):
        assert str(receipt.error).isprintable()


@pytest.mark.parametrize(
    "address", ["a@example.com", '"a b"@example.com', "webmaster", "ngân@example.com"]
)
def test_addresses_that_may_be_sent_are_sent(address):
    postman = Postman()
    session = Session(Account(host="mx.example.com", login=Login.NONE))
    session.sock = MemorySocket(postman)
    session.esmtp_features = {"smtputf8": ""}
    (receipt,) = session.send([Envelope("", (address,), b"")])
    assert receipt.accepted == (address,)
    assert postman.accepted[0].content == b""


def test_message_without_recipients_fails_alone():
    session = Session(Account(host="mx.example.com"))
    session.sock = MemorySocket(Postman())
    empty, good = session.send(
        [Envelope("a@example.com", (), b"x"), Envelope("a@example.com", ("b@example.com",), b"x")]
    )
    assert empty.outcome is Outcome.FAILED_MESSAGE
    assert good.outcome is Outcome.SENT
