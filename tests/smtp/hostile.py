"""A server that speaks from a script: one dialogue a file, one quirk each.

A dialogue is a head of `key: value` lines, an empty line, and steps:

    S: 250 text          say this line (`\\x1b` and the like are read as escapes)
    C: MAIL              wait for a line that begins so
    content              wait for a message: up to the dot, or as many octets as BDAT said
    starttls             start TLS
    close / reset        hang up; with RST
    wait 0.5             do nothing for so many seconds
    endless 250-more     say this line without end
    drip 250 text        say this line, an octet each tenth of a second
    === another connection begins

Head: `encryption`, `login`, `in_flight`, `send` (messages), `recipients` (of each), `through`
(session or pool), `open` (the error class that opening fails with), `stage`, `receipts` (one word
for each message; `+` marks one that is safe to send again), `accepted` (messages the script said
250 to), `says` (words of the error), `deadline`, `timeout`, `fed` ("whole": only at once, because
byte by byte the outcome hangs on who is faster).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "dialogues"


@dataclass
class Dialogue:
    name: str
    head: dict[str, str] = field(default_factory=dict)
    connections: list[list[str]] = field(default_factory=list)


def read(path: Path) -> Dialogue:
    dialogue = Dialogue(path.stem)
    text = path.read_text(encoding="utf-8")
    head, _, body = text.partition("\n\n")
    for line in head.splitlines():
        if not line.startswith("#"):
            key, _, value = line.partition(":")
            dialogue.head[key.strip()] = value.strip()
    dialogue.connections.append([])
    for line in body.splitlines():
        if line.startswith("==="):
            dialogue.connections.append([])
        elif line.strip() and not line.startswith("#"):
            dialogue.connections[-1].append(line)
    return dialogue


def all_dialogues() -> list[Dialogue]:
    return [read(path) for path in sorted(FOLDER.glob("*.txt"))]


class ScriptError(AssertionError):
    """The client did not say what the script waits for."""


class HostileServer:
    def __init__(self, dialogue: Dialogue, context: ssl.SSLContext, *, bytewise: bool) -> None:
        self.dialogue = dialogue
        self.bytewise = bytewise
        self.failure: BaseException | None = None
        self.heard = b""
        self.connections = 0
        self._context = context
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for steps in self.dialogue.connections:
                client, _ = self._listener.accept()
                self.connections += 1
                _Conversation(self, client).play(steps)
        except OSError as error:
            if not self._stop.is_set():
                self.failure = error
        except BaseException as error:
            self.failure = error

    def finish(self) -> None:
        self._thread.join(10)
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the script did not come to its end"
        if self.failure is not None:
            raise self.failure


class _Conversation:
    def __init__(self, server: HostileServer, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(8)
        self.server = server
        self.client = client
        self.buffer = b""
        self.line = b""
        self.queue = b""

    def play(self, steps: list[str]) -> None:
        try:
            for step in steps:
                self._step(step)
            self._flush()
            if not steps or steps[-1] not in ("close", "reset"):
                self._drain()
        finally:
            self.client.close()

    def _step(self, step: str) -> None:
        word, _, rest = step.partition(" ")
        if word == "S:":
            # Lines are joined, so that they arrive as one packet until the script waits.
            self.queue += _octets(rest) + b"\r\n"
            return
        self._flush()
        if word == "C:":
            self.line = self._read_line()
            if not self.line.upper().startswith(rest.upper().encode()):
                raise ScriptError(f"{self.line!r} came instead of {rest}")
        elif word == "content":
            self._read_content()
        elif word == "starttls":
            self.client = self.server._context.wrap_socket(self.client, server_side=True)
        elif word == "reset":
            linger = struct.pack("ii", 1, 0)
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.client.close()
        elif word == "close":
            self.client.close()
        elif word == "wait":
            time.sleep(float(rest))
        elif word in ("endless", "drip", "flood"):
            self._without_end(word, _octets(rest))
        else:
            raise ScriptError(f"{step!r} is no step")

    def _flush(self) -> None:
        data, self.queue = self.queue, b""
        if not data:
            return
        pieces = [bytes([octet]) for octet in data] if self.server.bytewise else [data]
        # A client that has heard enough hangs up, which is right.
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.client.sendall(piece)

    def _read_line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._receive()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _read_content(self) -> None:
        if self.line.upper().startswith(b"BDAT"):
            size = int(self.line.split()[1])
            while len(self.buffer) < size:
                self._receive()
            self.buffer = self.buffer[size:]
            return
        while b"\r\n.\r\n" not in self.buffer and not self.buffer.startswith(b".\r\n"):
            self._receive()
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
        else:
            self.buffer = self.buffer.partition(b"\r\n.\r\n")[2]

    def _receive(self) -> None:
        data = self.client.recv(65_536)
        if not data:
            raise ScriptError(f"the client hung up after {self.line!r}, {self.buffer!r}")
        self.server.heard += data
        self.buffer += data

    def _without_end(self, word: str, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while not self.server._stop.is_set():
                if word == "drip":
                    for octet in data:
                        self.client.sendall(bytes([octet]))
                        time.sleep(0.1)
                else:
                    self.client.sendall(data * 500 if word == "flood" else data + b"\r\n")

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.client.recv(65_536):
                self.server.heard += data


def _octets(text: str) -> bytes:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
