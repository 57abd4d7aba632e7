"""Opening, signing in and sending, against aiosmtpd."""

from __future__ import annotations

import smtplib

import pytest

from mailsetup.smtp import Encryption, Envelope, Login, Outcome, Session, Stage, Transcript

MAIL = Envelope("a@example.com", ("b@example.com", "c@example.com"), b"Subject: x\r\n\r\n.dot\r\n")


@pytest.mark.parametrize("encryption", Encryption)
@pytest.mark.parametrize("login", Login)
def test_mail_arrives_by_every_encryption_and_login(start_server, make_account, encryption, login):
    server = start_server(encryption, login=login is Login.PASSWORD)
    account = make_account(server.port, encryption, login=login)
    transcript = Transcript()
    session = Session.open(account, transcript=transcript)
    try:
        assert session.stage is (Stage.EHLO if login is Login.NONE else Stage.LOGIN)
        (receipt,) = session.send([MAIL])
    finally:
        session.quit()
    assert receipt.error is None
    assert receipt.outcome is Outcome.SENT
    assert receipt.accepted == MAIL.recipients
    assert receipt.code == 250
    (envelope,) = server.mailbox.received
    assert envelope.content == MAIL.content
    assert envelope.rcpt_tos == list(MAIL.recipients)
    assert len(server.mailbox.logins) == (login is Login.PASSWORD)
    assert len(account.password.reveal()) > 5
    assert account.password.reveal() not in transcript.text()


def test_session_is_an_smtplib_connection_too(start_server, make_account):
    server = start_server()
    with Session.open(make_account(server.port)) as session:
        assert isinstance(session, smtplib.SMTP)
        assert session.noop()[0] == 250
        assert session.sendmail("a@example.com", ["b@example.com"], b"Subject: x\r\n\r\n.y") == {}
        assert session.docmd("RSET")[0] == 250
        (receipt,) = session.send([MAIL])
        assert receipt.outcome is Outcome.SENT
    assert session.sock is None
    assert session.quit() == (221, b"")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        session.noop()
    (receipt,) = session.send([MAIL])
    assert receipt.unsent
    assert [envelope.content for envelope in server.mailbox.received] == [
        b"Subject: x\r\n\r\n.y\r\n",
        MAIL.content,
    ]


def test_large_and_odd_contents_arrive_byte_for_byte(start_server, make_account):
    server = start_server(Encryption.STARTTLS)
    contents = [
        b"Subject: dots\r\n\r\n.\r\n..\r\n...x\r\n",
        b"Subject: long line\r\n\r\n" + b"x" * 998 + b"\r\n",
        "Subject: 8 bit\r\n\r\nTiếng Việt\r\n".encode(),
        b"Subject: empty body\r\n\r\n",
        b"Subject: 3 MB\r\n\r\n" + b".0123456789abcde\r\n" * 180_000,
    ]
    session = Session.open(make_account(server.port, Encryption.STARTTLS))
    receipts = session.send(
        [Envelope("a@example.com", ("b@example.com",), content) for content in contents]
    )
    session.quit()
    assert [receipt.error for receipt in receipts] == [None] * len(contents)
    assert [envelope.content for envelope in server.mailbox.received] == contents


def test_bare_line_ends_are_made_whole_before_a_byte_leaves(start_server, make_account):
    server = start_server()
    evil = b"Subject: x\n\nhello\n.\nMAIL FROM:<evil@example.com>\r.\rend"
    session = Session.open(make_account(server.port))
    (receipt,) = session.send([Envelope("a@example.com", ("b@example.com",), evil)])
    session.quit()
    assert receipt.outcome is Outcome.SENT
    (envelope,) = server.mailbox.received
    assert envelope.mail_from == "a@example.com"
    assert envelope.content == (
        b"Subject: x\r\n\r\nhello\r\n.\r\nMAIL FROM:<evil@example.com>\r\n.\r\nend\r\n"
    )
