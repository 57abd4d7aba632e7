"""Breaks before, during and after every read and write of a batch of 20 over pipelined TLS."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailsetup.smtp import Account, Encryption, Envelope, Login, Outcome, Receipt, Session
from mailsetup.smtp import servers as known_servers
from mailsetup.smtp.pool import Pool

from .postman import OFFERS, MemorySocket, Office, Postman

ENVELOPES = [
    Envelope(
        f"sender{nth}@example.com",
        (f"to{nth}@example.com",),
        f"Message-ID: <{nth}@example.com>\r\n\r\n.hello\r\n".encode(),
    )
    for nth in range(20)
]

# "before": the call fails and did nothing. "during": a part of it is done, then all is over.
# "after": it is done in full, and the connection is over. "raises": it is done in full and fails
# all the same. "deaf": as "raises", and what the server answers can still be read.
MODES = ("before", "during", "after", "raises", "deaf")


class FaultySocket:
    """Break at one of the calls, counted from 0."""

    def __init__(self, sock: Any, at: int, mode: str) -> None:
        self._sock = sock
        self._at = at
        self._mode = mode
        self.calls = 0
        self._over = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: bytes) -> int:
        if self._over:
            raise BrokenPipeError(32, "Broken pipe")
        if not self._hits():
            return self._sock.send(data)
        if self._mode == "before":
            self._end()
            raise ConnectionResetError(104, "Connection reset by peer")
        sent = self._sock.send(data[: len(data) // 2] if self._mode == "during" else data)
        self._end(reads=self._mode == "deaf")
        if self._mode in ("raises", "deaf"):
            raise ConnectionResetError(104, "Connection reset by peer")
        return sent

    def recv(self, size: int) -> bytes:
        if self._over and self._mode != "deaf":
            return b""
        if not self._hits():
            return self._sock.recv(size)
        data = b"" if self._mode == "before" else self._sock.recv(size)
        self._end(reads=self._mode == "deaf")
        if self._mode in ("before", "raises", "deaf"):
            raise ConnectionResetError(104, "Connection reset by peer")
        return data[: len(data) // 2] if self._mode == "during" else data

    def _hits(self) -> bool:
        self.calls += 1
        return self.calls - 1 == self._at

    def _end(self, *, reads: bool = False) -> None:
        self._over = True
        if not reads:
            self._sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["DATA", "BDAT", "7 in flight"])
def way(request) -> str:
    return request.param


@pytest.fixture
def open_office(way, server_context) -> Iterator[Callable[[], Office]]:
    offices: list[Office] = []
    offers = OFFERS if way == "DATA" else (*OFFERS, "CHUNKING")

    def open_one() -> Office:
        offices.append(Office(lambda: Postman(offers), tls=server_context))
        return offices[-1]

    yield open_one
    for office in offices:
        office.close()


@pytest.fixture
def account_of(way, make_account: Callable[..., Account]) -> Callable[[Office], Account]:
    def make(office: Office) -> Account:
        account = make_account(
            office.port,
            Encryption.TLS,
            login=Login.NONE,
            key=("default", 1),
            in_flight=7 if way == "7 in flight" else 1,
        )
        server = known_servers.server_for(account.host, account.port)
        server.pipelines = server.chunks = True
        return account

    return make


def judge(receipts: list[Receipt], office: Office, most: int = 1) -> list[Receipt]:
    """Check what must hold of every batch, and return the ambiguous receipts, *most* of them."""
    accepted = [mail.sender for mail in office.accepted]
    assert len(accepted) == len(set(accepted)), "a message was accepted twice"
    assert len(receipts) == len(ENVELOPES)
    ambiguous = []
    for envelope, receipt in zip(ENVELOPES, receipts, strict=True):
        if receipt.outcome is Outcome.SENT:
            assert envelope.sender in accepted
        elif receipt.outcome is Outcome.AMBIGUOUS:
            ambiguous.append(receipt)
        else:
            assert receipt.unsent
            assert receipt.outcome is Outcome.RETRY
            assert envelope.sender not in accepted
        if receipt.error is not None:
            assert receipt.error.__traceback__ is None
    for mail in office.accepted:
        assert mail.sender.removeprefix("sender").encode() in mail.content
        assert mail.recipients == (mail.sender.replace("sender", "to"),)
    assert len(ambiguous) <= most
    return ambiguous


def count_calls(account: Account) -> int:
    session = Session.open(account)
    faulty = FaultySocket(session.sock, -1, "")
    session.sock = faulty
    receipts = session.send(ENVELOPES)
    assert all(receipt.outcome is Outcome.SENT for receipt in receipts)
    calls = faulty.calls
    session.quit()
    return calls


@pytest.mark.parametrize("mode", MODES)
def test_session_accounts_for_every_message_wherever_it_breaks(
    way, open_office, account_of, mode
) -> None:
    calls = count_calls(account_of(open_office()))
    # Three flights of seven, each written at once, and answered.
    assert calls >= (6 if way == "7 in flight" else 40)
    doubts = 0
    for at in range(calls):
        office = open_office()
        account = account_of(office)
        session = Session.open(account)
        session.sock = FaultySocket(session.sock, at, mode)
        receipts = session.send(ENVELOPES)
        session.quit()
        office.close()
        doubts += len(judge(receipts, office, account.in_flight))
        settled = [receipt.outcome is Outcome.SENT for receipt in receipts]
        # In order: nothing is sent behind what was not.
        assert settled == sorted(settled, reverse=True)
    # At some of the breaks nobody can know: the faults did hit.
    assert doubts > 0


@pytest.mark.parametrize("mode", ["before", "during", "after", "raises"])
def test_pool_sends_the_rest_on_a_new_connection(
    monkeypatch, open_office, account_of, mode
) -> None:
    opened = Session.open
    calls = count_calls(account_of(open_office()))
    for at in range(0, calls, 3 if calls > 20 else 1):
        office = open_office()
        faults = [at]

        def open_faulty(account: Account, faults: list[int] = faults, **kwargs: Any) -> Session:
            session = opened(account, **kwargs)
            if faults:
                session.sock = FaultySocket(session.sock, faults.pop(), mode)
            return session

        monkeypatch.setattr(Session, "open", open_faulty)
        pool = Pool()
        account = account_of(office)
        receipts = pool.send(account, ENVELOPES)
        pool.close_all()
        office.close()
        ambiguous = judge(receipts, office, account.in_flight)
        sent = sum(receipt.outcome is Outcome.SENT for receipt in receipts)
        assert sent + len(ambiguous) == len(ENVELOPES)


def test_replies_on_their_way_are_read_after_a_failed_write(way, open_office, account_of) -> None:
    """The kernel keeps what arrived: a message that was accepted must not be in doubt."""
    # Each the number of a write.
    for at in (0, 2, 4) if way == "7 in flight" else (2, 10, 20):
        office = open_office()
        session = Session.open(account_of(office))
        session.sock = FaultySocket(session.sock, at, "deaf")
        receipts = session.send(ENVELOPES)
        office.close()
        assert judge(receipts, office) == []
        assert sum(receipt.outcome is Outcome.SENT for receipt in receipts) == len(office.accepted)


def test_yes_to_a_content_that_has_not_left_is_not_believed(make_account) -> None:
    postman = Postman(())

    class Hasty(MemorySocket):
        """Says 250 while the content is still on its way, and breaks."""

        def send(self, data: bytes) -> int:
            if len(data) > 60_000:
                self.waiting += b"250 ok\r\n"
                self.writes = getattr(self, "writes", 0) + 1
                if self.writes == 2:
                    raise ConnectionResetError(104, "Connection reset by peer")
            return super().send(data)

    session = Session(make_account(25, host="mx.example.com"))
    session.sock = Hasty(postman)
    (receipt,) = session.send([Envelope("a@example.com", ("b@example.com",), b"x" * 200_000)])
    assert receipt.outcome is Outcome.RETRY
    assert receipt.unsent
    assert postman.accepted == []
