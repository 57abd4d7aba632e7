"""A fast SMTP server that takes every mail and keeps none, as a process of its own.

It is the far end of the measurements, so it does as little as it can: a thread a connection, one
read and one write for each group of commands. It offers PIPELINING, and CHUNKING, STARTTLS, AUTH
or TLS from the start where asked to. On a line of standard input it prints what it has counted.

It believes every login and every command: it is no server to send mail to.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import sys
import threading
from pathlib import Path

END = b"\r\n.\r\n"
QUEUED = b"250 2.0.0 Ok: queued as 4XyZ1A2B3C\r\n"


class Counters:
    """What has been taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connections = 0
        self.messages = 0
        self.octets = 0

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1

    def took(self, messages: int, octets: int) -> None:
        """Count messages and the octets of content that arrived with them."""
        with self._lock:
            self.messages += messages
            self.octets += octets

    def as_dict(self) -> dict[str, int]:
        """Return the counts."""
        with self._lock:
            return {
                "connections": self.connections,
                "messages": self.messages,
                "octets": self.octets,
            }


class Conversation:
    """One connection: octets go in as they arrive, the replies to all of them come out."""

    def __init__(self, *, chunking: bool, starttls: bool, login: bool) -> None:
        self._chunking = chunking
        self._starttls = starttls
        self._login = login
        self._data = b""
        self._in_data = False
        self._due = -1
        # What the caller has to do once the replies are written.
        self.begins_tls = False
        self.over = False
        self.messages = 0
        self.octets = 0

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return the replies to what is whole by now."""
        replies: list[bytes] = []
        self._data += data
        while self._step(replies):
            pass
        return b"".join(replies)

    def took(self) -> tuple[int, int]:
        """Return the messages and octets since the last call."""
        counts = self.messages, self.octets
        self.messages = self.octets = 0
        return counts

    def restart(self) -> None:
        """Forget what was said in clear (RFC 3207 section 4.2)."""
        self._data = b""
        self.begins_tls = self._starttls = False

    def _step(self, replies: list[bytes]) -> bool:
        if self._in_data:
            return self._read_to_dot(replies)
        if self._due >= 0:
            return self._read_chunk(replies)
        line, end, rest = self._data.partition(b"\n")
        if not end or self.begins_tls or self.over:
            return False
        self._data = rest
        replies.append(self._answer(line.strip()))
        return True

    def _read_to_dot(self, replies: list[bytes]) -> bool:
        end = self._data.find(END)
        if end < 0:
            # The end may be there in part.
            self.octets += max(0, len(self._data) - 4)
            self._data = self._data[-4:]
            return False
        self.octets += end
        self._data = self._data[end + len(END) :]
        self._in_data = False
        self._accept(replies)
        return True

    def _read_chunk(self, replies: list[bytes]) -> bool:
        taken = min(self._due, len(self._data))
        self._data = self._data[taken:]
        self._due -= taken
        self.octets += taken
        if self._due:
            return False
        self._due = -1
        self._accept(replies)
        return True

    def _accept(self, replies: list[bytes]) -> None:
        self.messages += 1
        replies.append(QUEUED)

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"BDAT":
            # Only ever one chunk, the last.
            self._due = int(line.split()[1])
            return b""
        if verb == b"DATA":
            self._in_data = True
            # An empty content begins with its dot.
            self._data = b"\r\n" + self._data
            return b"354 End data with <CR><LF>.<CR><LF>\r\n"
        if verb in {b"EHLO", b"HELO"}:
            return self._offers()
        if verb == b"STAR":
            self.begins_tls = True
            return b"220 2.0.0 Ready to start TLS\r\n"
        if verb == b"AUTH":
            return b"235 2.7.0 Authentication successful\r\n"
        if verb == b"QUIT":
            self.over = True
            return b"221 2.0.0 Bye\r\n"
        return b"250 2.1.0 Ok\r\n"

    def _offers(self) -> bytes:
        offers = ["sink.example.com", "PIPELINING", "SIZE 104857600", "ENHANCEDSTATUSCODES"]
        if self._starttls:
            offers.append("STARTTLS")
        elif self._login:
            offers.append("AUTH PLAIN LOGIN")
        if self._chunking:
            offers.append("CHUNKING")
        offers.append("8BITMIME")
        lines = [f"250-{offer}\r\n" for offer in offers[:-1]] + [f"250 {offers[-1]}\r\n"]
        return "".join(lines).encode()


def serve(
    sock: socket.socket,
    conversation: Conversation,
    context: ssl.SSLContext | None,
    counters: Counters,
    *,
    tls: bool,
) -> None:
    """Speak with one client until it leaves."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if tls and context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        sock.sendall(b"220 sink.example.com ESMTP\r\n")
        while not conversation.over and (data := sock.recv(262_144)):
            replies = conversation.feed(data)
            # Counted first: whoever has read the reply finds it counted.
            messages, octets = conversation.took()
            if octets:
                counters.took(messages, octets)
            if replies:
                sock.sendall(replies)
            if conversation.begins_tls and context is not None:
                conversation.restart()
                sock = context.wrap_socket(sock, server_side=True)
    except OSError:
        # The client went away; it is its own affair.
        pass
    finally:
        sock.close()


def _context(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunking", action="store_true", help="offer CHUNKING")
    parser.add_argument("--starttls", action="store_true", help="offer STARTTLS")
    parser.add_argument("--tls", action="store_true", help="begin with TLS")
    parser.add_argument("--login", action="store_true", help="offer AUTH")
    parser.add_argument("--certificate", type=Path, help="file with key and certificate")
    options = parser.parse_args()
    context = _context(options.certificate)
    counters = Counters()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            counters.connected()
            conversation = Conversation(
                chunking=options.chunking, starttls=options.starttls, login=options.login
            )
            threading.Thread(
                target=serve,
                args=(sock, conversation, context, counters),
                kwargs={"tls": options.tls},
                daemon=True,
            ).start()

    threading.Thread(target=accept, daemon=True).start()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(counters.as_dict()), flush=True)


if __name__ == "__main__":
    main()
