"""A mail server that does at each stage what it is told to: answer, hang up, be silent, drip."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from email import message_from_bytes

HOST = "127.0.0.1"
STAGES = ("greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "dot")
_REPLIES = {
    "greeting": "220 postbox",
    "AUTH": "235 2.7.0 Welcome",
    "DATA": "354 Go on",
    "QUIT": "221 2.0.0 Bye",
}
# What to do instead of a reply.
CUT, SILENT, DRIP, ENDLESS = "cut", "silent", "drip", "endless"


class Postbox:
    """A server without TLS, its connections in threads; PIPELINING by default, CHUNKING if told.

    Attributes:
        rules: what is done at a stage, where it is not what a good server does: a reply, or one of
            `CUT`, `SILENT`, `DRIP` and `ENDLESS`.
        accepted: the Message-ID of each content that came to its dot.
        commands: how often each command was said.
        on_dot: called with the Message-ID, before the reply.
    """

    def __init__(self, offers: tuple[str, ...] = ("PIPELINING",)) -> None:
        self.offers = offers
        self.rules: dict[str, str] = {}
        self.accepted: list[str] = []
        self.contents: list[bytes] = []
        self.senders: list[str] = []
        self.commands: dict[str, int] = {}
        self.on_dot: Callable[[str], None] = lambda message_id: None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End all conversations."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._talk, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, client: socket.socket) -> None:
        client.settimeout(0.05)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, contextlib.suppress(ConnectionError):
            _Talk(self, client).run()

    def heard(self, command: str) -> None:
        with self._lock:
            self.commands[command] = self.commands.get(command, 0) + 1

    def keep(self, sender: str, content: bytes) -> None:
        message_id = message_from_bytes(content.partition(b"\r\n\r\n")[0])["Message-ID"]
        with self._lock:
            self.accepted.append(message_id)
            self.contents.append(content)
            self.senders.append(sender)
        self.on_dot(message_id)


class _Talk:
    def __init__(self, box: Postbox, client: socket.socket) -> None:
        self.box, self.client = box, client
        self.data = bytearray()
        self.sender = ""
        self.has_recipient = False

    def run(self) -> None:
        self._answer("greeting", "greeting")
        while True:
            line = self._until(b"\r\n")
            verb = line[:4].upper().decode()
            self.box.heard(verb)
            if verb == "MAIL":
                self.sender = line.partition(b"<")[2].partition(b">")[0].decode()
                self.has_recipient = False
            if verb == "RCPT":
                self.has_recipient = not {"MAIL", "RCPT"} & set(self.box.rules)
            if verb == "BDAT":
                content = self._octets(int(line.split()[1]))
            elif verb != "DATA" or self.has_recipient:
                self._answer(verb, verb)
            if verb == "QUIT":
                return
            if verb in {"DATA", "BDAT"} and not self.has_recipient:
                self._say("503 5.5.1 No recipient")
            elif verb == "BDAT":
                self._accept(content)
            elif verb == "DATA" and "DATA" not in self.box.rules:
                self._accept(self._until(b"\r\n.\r\n").replace(b"\r\n..", b"\r\n."))

    def _accept(self, content: bytes) -> None:
        if self.box.rules.get("dot", "2")[0] in "2s":
            self.box.keep(self.sender, content)
        self._answer("dot", "dot")

    def _until(self, end: bytes) -> bytes:
        searched = 0
        while (found := self.data.find(end, searched)) < 0:
            searched = max(0, len(self.data) - len(end))
            self._receive()
        octets = bytes(self.data[:found])
        del self.data[: found + len(end)]
        return octets

    def _octets(self, number: int) -> bytes:
        while len(self.data) < number:
            self._receive()
        octets = bytes(self.data[:number])
        del self.data[:number]
        return octets

    def _receive(self) -> None:
        with contextlib.suppress(TimeoutError):
            more = self.client.recv(65_536)
            if not more:
                raise ConnectionResetError
            self.data += more
        if self.box._over.is_set():
            raise ConnectionResetError

    def _answer(self, stage: str, verb: str) -> None:
        rule = self.box.rules.get(stage)
        if rule is None:
            rule = _REPLIES.get(verb, "250 2.0.0 OK")
            if verb == "EHLO":
                rule = "\r\n".join(
                    ["250-postbox", *(f"250-{one}" for one in self.box.offers), "250 AUTH PLAIN"]
                )
        if rule == CUT:
            raise ConnectionResetError
        if rule == SILENT:
            self._wait_for_the_end()
        self._say(rule)

    def _say(self, rule: str) -> None:
        if rule == DRIP:
            while not self.box._over.is_set():
                self.client.sendall(b"2")
                time.sleep(0.05)
        while rule == ENDLESS and not self.box._over.is_set():
            self.client.sendall(b"250-and so on\r\n" * 100)
        self.client.sendall(rule.encode() + b"\r\n")

    def _wait_for_the_end(self) -> None:
        while not self.box._over.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.client.recv(65_536):
                    break
        raise ConnectionResetError
