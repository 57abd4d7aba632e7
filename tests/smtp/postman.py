"""An SMTP server without sockets: octets in, octets out, and a list of what it accepted.

It does what it offers, and refuses or hangs up where it is told to. `Office` puts it behind a
port, `MemorySocket` into the client's own thread.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass

OFFERS = ("PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8")

# Given the stage ("mail", "rcpt", "data", "content") and how many of it there were before, the
# code to answer with, "close" to hang up instead, "drop" to answer and hang up, None for yes.
Decision = int | str | None
Decide = Callable[[str, int], Decision]


@dataclass
class Accepted:
    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Postman:
    def __init__(
        self, offers: tuple[str, ...] = OFFERS, decide: Decide = lambda stage, nth: None
    ) -> None:
        self.offers = offers
        self.decide = decide
        self.accepted: list[Accepted] = []
        self.commands: list[bytes] = []
        self.counts: dict[str, int] = {}
        self.closed = False
        self.wants_tls = False
        self._buffer = b""
        self._out: list[bytes] = []
        self._reset()
        self._wanted: int | None = None
        self._in_data = False

    def _reset(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        self._out = []
        while not self.closed and not self.wants_tls and self._step():
            pass
        return b"".join(self._out)

    def _step(self) -> bool:
        if self._in_data:
            if self._buffer.startswith(b".\r\n"):
                end, size = 0, 3
            else:
                end, size = self._buffer.find(b"\r\n.\r\n") + 2, 3
            if end == 1:
                return False
            content, self._buffer = self._buffer[:end], self._buffer[end + size :]
            self._in_data = False
            self._take(content.replace(b"\r\n..", b"\r\n.").removeprefix(b".") if content else b"")
            return True
        if self._wanted is not None:
            if len(self._buffer) < self._wanted:
                return False
            content, self._buffer = self._buffer[: self._wanted], self._buffer[self._wanted :]
            self._wanted = None
            self._take(content)
            return True
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        self.commands.append(line)
        self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            lines = ["hello", *self.offers]
            self._out += [f"250-{offer}\r\n".encode() for offer in lines[:-1]]
            self._out.append(f"250 {lines[-1]}\r\n".encode())
        elif verb == b"STAR":
            self._say(220)
            self.wants_tls = True
        elif verb == b"AUTH":
            self._say(235)
        elif verb == b"MAIL":
            if self.sender is not None:
                self._say(503)
            elif self._asks("mail"):
                self.sender = line.decode().partition("<")[2].partition(">")[0]
                self._say(250)
        elif verb == b"RCPT":
            if self.sender is None:
                self._say(503)
            elif self._asks("rcpt"):
                self.recipients.append(line.decode().partition("<")[2].partition(">")[0])
                self._say(250)
        elif verb == b"DATA":
            if not self.recipients:
                self._say(503 if self.sender is None else 554)
            elif self._asks("data"):
                self._in_data = True
                self._say(354)
        elif verb == b"BDAT":
            self._wanted = int(line.split()[1])
        elif verb == b"RSET":
            if self._asks("rset"):
                self._reset()
                self._say(250)
        elif verb == b"QUIT":
            self._say(221)
            self.closed = True
        else:
            self._say(500)

    def _take(self, content: bytes) -> None:
        if not self.recipients:
            self._say(503)
        elif self._asks("content"):
            assert self.sender is not None
            self.accepted.append(Accepted(self.sender, tuple(self.recipients), content))
            self._say(250)
            if self._drops:
                self.closed = True
        # Like Exim, a refused BDAT leaves the transaction open; a refused DATA ends it.
        if self._verdict is None or "CHUNKING" not in self.offers:
            self._reset()

    def _asks(self, stage: str) -> bool:
        nth = self.counts.get(stage, 0)
        self.counts[stage] = nth + 1
        self._verdict = verdict = self.decide(stage, nth)
        self._drops = verdict == "drop"
        if verdict == "close":
            self.closed = True
            return False
        if self._drops:
            self._verdict = None
            return True
        if isinstance(verdict, int):
            self._say(verdict)
            self.closed = verdict == 421
            return False
        return True

    _verdict: Decision = None
    _drops = False

    def _say(self, code: int) -> None:
        self._out.append(f"{code} {code // 100}.0.0 said\r\n".encode())


class MemorySocket:
    """A connected socket whose other end is a `Postman`; it breaks where it is told to."""

    def __init__(self, postman: Postman, gulp: int = 65_536) -> None:
        self.postman = postman
        self.gulp = gulp
        self.waiting = b""

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def send(self, data: bytes) -> int:
        if self.postman.closed:
            raise BrokenPipeError(32, "Broken pipe")
        taken = bytes(data[: self.gulp])
        self.waiting += self.postman.feed(taken)
        return len(taken)

    def recv(self, size: int) -> bytes:
        if not self.waiting and not self.postman.closed:
            raise TimeoutError("timed out")
        data, self.waiting = self.waiting[: self.gulp], self.waiting[self.gulp :]
        return data

    def close(self) -> None:
        self.postman.closed = True


class Office:
    """Postmen behind a port of 127.0.0.1, each connection its own thread."""

    def __init__(
        self,
        make: Callable[[], Postman] = Postman,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
    ) -> None:
        self._make = make
        self._tls = tls
        self._starttls = starttls
        self.postmen: list[Postman] = []
        self.sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def accepted(self) -> list[Accepted]:
        return [mail for postman in self.postmen for mail in postman.accepted]

    @property
    def commands(self) -> list[bytes]:
        return [line for postman in self.postmen for line in postman.commands]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            postman = self._make()
            self.postmen.append(postman)
            thread = threading.Thread(target=self._serve, args=(client, postman), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, postman: Postman) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            self.sockets.append(client)
            client.sendall(b"220 at your service\r\n")
            while not postman.closed:
                data = client.recv(65_536)
                if not data:
                    break
                answer = postman.feed(data)
                if answer:
                    client.sendall(answer)
                if postman.wants_tls and self._starttls is not None:
                    client = self._starttls.wrap_socket(client, server_side=True)
                    self.sockets.append(client)
                    postman.wants_tls = False
        client.close()

    def hang_up(self) -> None:
        """End every connection there is now."""
        for client in self.sockets:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        self.hang_up()
