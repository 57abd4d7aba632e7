"""The SMTP room against Postfix, Exim and aiosmtpd: each message once, byte for byte."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from mailsetup.smtp.account import Account, Encryption, Login, Secret
from mailsetup.smtp.errors import Outcome
from mailsetup.smtp.pool import Pool
from mailsetup.smtp.session import Envelope, Receipt, Session

from .dovecot import DOMAIN, USERS
from .process import HOST, free_ports, wait_for

pytestmark = pytest.mark.servers

USER = "an"
RECIPIENT = f"{USER}@{DOMAIN}"

# What stands below the headers, and what must arrive there.
BODIES = {
    "text": (b"Hello\r\n", b"Hello\r\n"),
    "dots": (b".\r\n..\r\n.one\r\n\r\n.\r\n", b".\r\n..\r\n.one\r\n\r\n.\r\n"),
    "only a dot": (b".", b".\r\n"),
    "longest line": (b"x" * 998 + b"\r\nend\r\n", b"x" * 998 + b"\r\nend\r\n"),
    "bare CR and LF": (b"a\rb\nc\r\nd\n\r\n.\n\r.\r\n", b"a\r\nb\r\nc\r\nd\r\n\r\n.\r\n\r\n.\r\n"),
    "8-bit": (bytes(range(128, 256)) + b"\r\n", bytes(range(128, 256)) + b"\r\n"),
    "no end of line": (b"the end", b"the end\r\n"),
    "empty": (b"", b""),
    "blank lines at the end": (b"a\r\n\r\n\r\n", b"a\r\n\r\n\r\n"),
    "blanks at line ends": (b"a \r\n\t\r\n  \r\n", b"a \r\n\t\r\n  \r\n"),
    "large": (b"0123456789abcdef" * 60 + b"\r\n.\r\n", b"0123456789abcdef" * 60 + b"\r\n.\r\n"),
}
BODIES["large"] = tuple(part * 1500 for part in BODIES["large"])


@dataclass(frozen=True)
class Target:
    """A server, how to reach it, and how to see what it delivered."""

    account: Account
    fetch_each: Callable[[Iterable[str]], dict[str, list[bytes]]]
    wait_until_delivered: Callable[[], None]
    extensions: frozenset[str]  # of PIPELINING and CHUNKING
    names_sender: bool = True  # in a Return-Path header of what it delivered


class Sink:
    """An aiosmtpd handler that keeps what it is given for USER."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address != RECIPIENT:
            return "550 5.1.1 Unknown user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        self.contents.append(envelope.content)
        return "250 2.0.0 OK"

    def fetch_each(self, message_ids: Iterable[str]) -> dict[str, list[bytes]]:
        return {
            message_id: [raw for raw in self.contents if message_id.encode() in raw]
            for message_id in message_ids
        }


@pytest.fixture(scope="module")
def aiosmtpd(certificates):
    """An aiosmtpd that demands STARTTLS and a login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)

    def check(server, session, envelope, mechanism, data):
        expected = f"{USER}@{DOMAIN}".encode(), USERS[USER].encode()
        return AuthResult(success=(data.login, data.password) == expected)

    sink = Sink()
    controller = Controller(
        sink,
        hostname=HOST,
        port=free_ports(1)[0],
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=check,
        data_size_limit=40_000_000,
    )
    controller.start()
    yield sink, controller.port
    controller.stop()


def account(certificates, port: int, **values) -> Account:
    values = {
        "host": "localhost",
        "port": port,
        "ca": certificates.ca,
        "username": RECIPIENT,
        "password": Secret(USERS[USER]),
    } | values
    return Account(**values)


ANONYMOUS = {"encryption": Encryption.NONE, "login": Login.NONE}
BOTH = frozenset({"pipelining", "chunking"})
POSTFIX = {
    "postfix submission": ({}, BOTH),
    "postfix submission_no_chunking": ({}, frozenset({"pipelining"})),
    "postfix smtps": ({"encryption": Encryption.TLS}, BOTH),
    "postfix plain": (ANONYMOUS, BOTH),
    "postfix plain_bare": (ANONYMOUS, frozenset()),
}
EXIM = {"exim tls": {}, "exim plain": ANONYMOUS}
FLIGHTS = {"in_flight": 20}
POSTFIX["postfix submission, 20 in flight"] = (FLIGHTS, BOTH)
EXIM["exim tls, 20 in flight"] = FLIGHTS


@pytest.fixture(params=[*POSTFIX, *EXIM, "aiosmtpd"])
def target(request, certificates) -> Target:
    """Each server in turn, by each way in."""
    server, _, service = request.param.partition(",")[0].partition(" ")
    running = request.getfixturevalue(server)
    if server == "postfix":
        values, extensions = POSTFIX[request.param]
        mailbox = request.getfixturevalue("mailbox")(USER)
        reach = account(certificates, running.ports[service], **values)
        return Target(reach, mailbox.fetch_each, running.wait_until_delivered, extensions)
    if server == "exim":
        reach = account(certificates, getattr(running, service), **EXIM[request.param])
        return Target(reach, running.fetch_each, running.wait_until_delivered, BOTH)
    sink, port = running
    return Target(account(certificates, port), sink.fetch_each, lambda: None, frozenset(), False)


def envelope(
    body: bytes,
    *,
    recipients: tuple[str, ...] = (RECIPIENT,),
    sender: str = f"binh@{DOMAIN}",
) -> tuple[str, Envelope]:
    message_id = f"<{uuid.uuid4()}@client.test>"
    headers = (
        f"From: binh@{DOMAIN}\r\nTo: an@{DOMAIN}\r\nSubject: test\r\n"
        f"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: {message_id}\r\n\r\n"
    )
    return message_id, Envelope(sender, recipients, headers.encode() + body)


def read_once(target: Target, message_ids: list[str]) -> list[bytes]:
    """Return the mails in order, and fail unless each arrived exactly once."""
    target.wait_until_delivered()
    wait_for(
        lambda: all(target.fetch_each(message_ids).values()), seconds=60, what="all mails to arrive"
    )
    found = target.fetch_each(message_ids)
    assert {len(raws) for raws in found.values()} == {1}
    return [found[message_id][0] for message_id in message_ids]


def pooled(target: Target, sent: list[tuple[str, Envelope]]) -> list[Receipt]:
    """Send through a pool, which goes on over another connection where one is ended."""
    pool = Pool()
    try:
        kept = replace(target.account, key=("shop", 1))
        return pool.send(kept, [one for _, one in sent])
    finally:
        pool.close_all()


def test_each_body_arrives_byte_for_byte(target):
    sent = [envelope(body) for body, _ in BODIES.values()]
    with Session.open(target.account) as session:
        offered = {name for name in BOTH if session.has_extn(name)}
        receipts = session.send([one for _, one in sent])
    assert offered == target.extensions
    assert [receipt.outcome for receipt in receipts] == [Outcome.SENT] * len(sent)
    arrived = read_once(target, [message_id for message_id, _ in sent])
    for name, (_, one), raw in zip(BODIES, sent, arrived, strict=True):
        head = one.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        expected = head + BODIES[name][1]
        # Servers put their own headers on top and change nothing below.
        assert raw[-len(expected) :] == expected, name


def test_each_message_of_a_batch_arrives_once(target):
    sent = [envelope(b"message %d\r\n" % number) for number in range(30)]
    with Session.open(target.account) as session:
        receipts = session.send([one for _, one in sent])
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    for number, raw in enumerate(read_once(target, [message_id for message_id, _ in sent])):
        assert raw.endswith(b"\r\n\r\nmessage %d\r\n" % number)


def test_a_refused_recipient_leaves_its_neighbours_alone(target):
    nobody = f"nobody@{DOMAIN}"
    good = [envelope(b"good\r\n") for _ in range(3)]
    partial_id, partial = envelope(b"partial\r\n", recipients=(nobody, RECIPIENT))
    bad_id, bad = envelope(b"bad\r\n", recipients=(nobody,))
    order = [good[0][1], bad, good[1][1], partial, good[2][1]]
    with Session.open(target.account) as session:
        receipts = session.send(order)
    assert [receipt.outcome for receipt in receipts] == [
        Outcome.SENT,
        Outcome.FAILED_RECIPIENT,
        Outcome.SENT,
        Outcome.SENT,
        Outcome.SENT,
    ]
    assert receipts[1].error.code == 550
    assert receipts[3].accepted == (RECIPIENT,)
    assert receipts[3].refused[nobody].code == 550
    read_once(target, [partial_id, *(message_id for message_id, _ in good)])
    assert target.fetch_each([bad_id]) == {bad_id: []}


def test_a_run_full_of_refusals_goes_on_and_each_mail_keeps_its_sender(target):
    nobody = f"nobody@{DOMAIN}"
    sent = [
        envelope(
            b"message %d\r\n" % number,
            recipients=(RECIPIENT if number % 3 else nobody,),
            sender=f"binh+{number}@{DOMAIN}",
        )
        for number in range(60)
    ]
    # Exim drops a client that it has refused too often: a pool goes on over another connection.
    receipts = pooled(target, sent)
    expected = [Outcome.SENT if number % 3 else Outcome.FAILED_RECIPIENT for number in range(60)]
    assert [receipt.outcome for receipt in receipts] == expected
    good = [number for number in range(60) if number % 3]
    raws = read_once(target, [sent[number][0] for number in good])
    for number, raw in zip(good, raws, strict=True):
        assert raw.endswith(b"\r\n\r\nmessage %d\r\n" % number)
        if target.names_sender:
            assert message_from_bytes(raw)["Return-Path"] == f"<binh+{number}@{DOMAIN}>"
    assert not any(target.fetch_each([sent[number][0] for number in range(0, 60, 3)]).values())


def test_refusals_after_a_long_run_without_one_lose_nothing(target):
    """A flight that has grown may be cut off by them: then what is behind is told as in doubt."""
    nobody = f"nobody@{DOMAIN}"
    people = [RECIPIENT] * 40 + [nobody] * 20 + [RECIPIENT] * 10
    sent = [envelope(b"message\r\n", recipients=(one,)) for one in people]
    receipts = pooled(target, sent)
    outcomes = [receipt.outcome for receipt in receipts]
    assert outcomes[:40] + outcomes[60:] == [Outcome.SENT] * 50
    assert set(outcomes[40:60]) <= {Outcome.FAILED_RECIPIENT, Outcome.AMBIGUOUS}
    if target.account.in_flight == 1:
        assert Outcome.AMBIGUOUS not in outcomes
    read_once(target, [sent[nth][0] for nth, one in enumerate(people) if one == RECIPIENT])


@pytest.mark.parametrize("in_flight", [1, 3, 20])
def test_a_connection_that_has_carried_enough_leaves_nothing_in_doubt(
    certificates, exim, in_flight
):
    """Exim says 421 to each MAIL then, and goes on."""
    reach = account(certificates, exim.brief, **ANONYMOUS, in_flight=in_flight)
    target = Target(reach, exim.fetch_each, exim.wait_until_delivered, BOTH)
    sent = [envelope(b"message\r\n") for _ in range(50)]
    receipts = pooled(target, sent)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    read_once(target, [message_id for message_id, _ in sent])


def test_threads_that_share_a_pool_send_each_message_once(target):
    sent = [envelope(b"message %d\r\n" % number) for number in range(40)]
    kept = replace(target.account, key=("shop", 1), max_messages=5)
    pool = Pool()
    try:
        with ThreadPoolExecutor(8) as threads:
            receipts = [*threads.map(lambda pair: pool.send(kept, [pair[1]])[0], sent)]
    finally:
        pool.close_all()
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    for number, raw in enumerate(read_once(target, [message_id for message_id, _ in sent])):
        assert raw.endswith(b"\r\n\r\nmessage %d\r\n" % number)
