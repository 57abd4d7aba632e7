"""Servers that want nothing behind the end of a content: found out once, then spoken to so."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mailsetup.smtp import Envelope, Outcome
from mailsetup.smtp.pool import Pool
from mailsetup.smtp.servers import server_for


class Picky(socketserver.BaseRequestHandler):
    """Takes commands in groups; what comes behind a content is refused, or thrown away."""

    def handle(self) -> None:
        self.server.connections += 1
        self.data = b""
        with suppress(ConnectionError):
            self.talk()

    def talk(self) -> None:
        self.say(b"220 mx")
        while line := self.line():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say(b"250-mx\r\n250 PIPELINING")
            elif verb == b"DATA":
                self.say(b"354 go")
                self.content()
            else:
                self.say(b"250 ok")

    def content(self) -> None:
        while b"\r\n.\r\n" not in self.data:
            if not self.more():
                return
        behind = self.data.partition(b"\r\n.\r\n")[2]
        self.data = b""
        self.server.accepted += 1
        self.say(b"250 sent")
        if self.server.answers:
            for _ in range(behind.count(b"\r\n")):
                self.say(b"503 nothing behind the end of DATA")

    def line(self) -> bytes:
        while b"\r\n" not in self.data:
            if not self.more():
                return b""
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def more(self) -> bool:
        new = self.request.recv(65_536)
        self.data += new
        return bool(new)

    def say(self, text: bytes) -> None:
        self.request.sendall(text + b"\r\n")


@pytest.fixture(params=[True, False], ids=["answers", "is silent"])
def picky(request) -> Iterator[socketserver.ThreadingTCPServer]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Picky)
    server.daemon_threads = True
    server.connections = server.accepted = 0
    server.answers = request.param
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join(20)
    server.server_close()


def test_it_is_found_out_once_and_every_mail_goes(picky, make_account):
    port = picky.server_address[1]
    account = make_account(port, host="127.0.0.1", key=("default", 1), timeout=1.0)
    pool = Pool()
    mails = [
        Envelope("s@example.com", ("b@example.com",), b"Subject: %d\r\n\r\nx\r\n" % nth)
        for nth in range(6)
    ]
    try:
        receipts = pool.send(account, mails)
        again = pool.send(account, mails)
    finally:
        pool.close_all()
    assert [one.outcome for one in receipts + again] == [Outcome.SENT] * 12
    assert picky.accepted == 12
    assert picky.connections == 2
    server = server_for("127.0.0.1", port)
    assert server.pipelines
    assert server.no_joining_until > server.no_pipelining_until
