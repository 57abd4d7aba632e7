"""The test servers themselves, tried with the standard library's clients only.

A failure here means that the ground under the other server tests is soft, not that mailsetup is.
"""

from __future__ import annotations

import base64
import smtplib
import uuid

import pytest

from .dovecot import DOMAIN, USERS
from .exim import USER
from .postfix import ALIASES, INTERNATIONAL_ASCII, SERVICES, SINK

pytestmark = pytest.mark.servers

CONTENT = (
    "From: Trường <binh@{domain}>\r\nTo: an@{domain}\r\nSubject: thử\r\n"
    "Message-ID: {message_id}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\nXin chào\r\n.một dấu chấm\r\n..\r\ncuối\r\n"
)
BODY = "Xin chào\r\n.một dấu chấm\r\n..\r\ncuối\r\n".encode()


def login(client: smtplib.SMTP, user: str, password: str) -> int:
    plain = base64.b64encode(f"\0{user}@{DOMAIN}\0{password}".encode()).decode()
    return client.docmd("AUTH", f"PLAIN {plain}")[0]


def connect(server, port: int, *, wrapped: bool = False, starttls: bool = False) -> smtplib.SMTP:
    context = server.certificates.context()
    if wrapped:
        client = smtplib.SMTP_SSL("localhost", port, timeout=30, context=context)
    else:
        client = smtplib.SMTP("localhost", port, timeout=30)
    if starttls:
        client.starttls(context=context)
    client.ehlo("client.test")
    return client


def new_content() -> tuple[str, bytes]:
    message_id = f"<{uuid.uuid4()}@client.test>"
    return message_id, CONTENT.format(domain=DOMAIN, message_id=message_id).encode()


@pytest.mark.parametrize("service", SERVICES)
def test_postfix_delivers_on_every_port(postfix, mailbox, service):
    message_id, content = new_content()
    guarded = service.startswith(("submission", "smtps"))
    with connect(
        postfix,
        postfix.ports[service],
        wrapped=service.startswith("smtps"),
        starttls=service.startswith("submission"),
    ) as client:
        assert client.has_extn("chunking") == (service in {"submission", "smtps", "plain"})
        assert client.has_extn("pipelining") == (service != "plain_bare")
        if guarded:
            assert client.docmd("MAIL", f"FROM:<binh@{DOMAIN}>")[0] == 250
            assert client.docmd("RCPT", f"TO:<an@{DOMAIN}>")[0] == 554
            client.rset()
            assert login(client, "an", USERS["an"]) == 235
        client.sendmail(f"binh@{DOMAIN}", [f"an@{DOMAIN}"], content)
    raw = mailbox("an").fetch(message_id)
    assert raw.partition(b"\r\n\r\n")[2] == BODY
    assert mailbox("an").fetch_by_pop3(message_id).partition(b"\r\n\r\n")[2] == BODY


def test_postfix_refuses_a_wrong_password(postfix):
    with connect(postfix, postfix.ports["smtps"], wrapped=True) as client:
        assert login(client, "an", "wrong") == 535


def test_postfix_offers_no_login_before_tls(postfix):
    with connect(postfix, postfix.ports["submission"]) as client:
        assert not client.has_extn("auth")
        assert client.docmd("MAIL", "FROM:<>")[0] == 530


def test_postfix_refuses_by_recipient(postfix):
    with connect(postfix, postfix.ports["plain"]) as client:
        client.docmd("MAIL", f"FROM:<binh@{DOMAIN}>")
        for recipient, code in {
            f"an@{DOMAIN}": 250,
            f"nobody@{DOMAIN}": 550,
            f"slow@{DOMAIN}": 450,
            "someone@elsewhere.test": 550,
            f"an@{INTERNATIONAL_ASCII}": 250,
            f"anyone@{SINK}": 250,
        }.items():
            assert client.docmd("RCPT", f"TO:<{recipient}>")[0] == code, recipient


def test_postfix_takes_a_local_part_beyond_ascii(postfix, mailbox):
    message_id, content = new_content()
    with connect(postfix, postfix.ports["plain"]) as client:
        client.sendmail(
            f"binh@{DOMAIN}",
            [f"nguyễn@{DOMAIN}"],
            content,
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
    assert f"nguyễn@{DOMAIN}".encode() in mailbox(ALIASES["nguyễn"]).fetch(message_id)


def test_postfix_queue_runs_empty(postfix, mailbox):
    message_id, content = new_content()
    with connect(postfix, postfix.ports["plain"]) as client:
        client.sendmail(f"binh@{DOMAIN}", [f"anyone@{SINK}"], content)
    postfix.wait_until_delivered()
    assert mailbox("an").fetch_all(message_id) == []


@pytest.mark.parametrize("guarded", [False, True])
def test_exim_delivers(exim, guarded):
    message_id, content = new_content()
    with connect(exim, exim.tls if guarded else exim.plain, starttls=guarded) as client:
        assert client.has_extn("chunking")
        assert client.has_extn("pipelining")
        assert client.has_extn("auth") == guarded
        if guarded:
            assert login(client, USER, "wrong") == 535
            assert login(client, USER, USERS[USER]) == 235
        client.sendmail(f"binh@{DOMAIN}", [f"{USER}@{DOMAIN}"], content)
    exim.wait_until_delivered()
    (raw,) = exim.fetch_all(message_id)
    assert raw.partition(b"\r\n\r\n")[2] == BODY
