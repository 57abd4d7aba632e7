"""A mail server on the loopback interface, for the length of a test.

It takes whatever mail comes and keeps it in memory, and misbehaves when told to. It is no server
for anything else: no TLS, no limits, any username and password will do.
"""

import atexit
import base64
import binascii
import os
import socket
import socketserver
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self

HOST = "127.0.0.1"
# Seconds that its end waits for its threads, and between two looks at whether to end.
PATIENCE = 5.0
TICK = 0.02
OFFERS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it arrived.

    Attributes:
        sender: the envelope's sender.
        recipients: those who get it, hidden copies included.
        content: headers and body.
        username: who signed in, or "".
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    username: str = ""

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message["Subject"] or "")


class MailServer:
    """A server: what it got, and how it shall behave. A context manager that starts and ends it.

    Attributes:
        mails: what arrived, in order.
        logins: the usernames of the logins that were asked for, refused ones included.
    """

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.logins: list[str] = []
        self.behave()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None
        # The process that runs it.
        self._owner = 0

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return HOST

    @property
    def port(self) -> int:
        """The port that it listens on, chosen by the system.

        Raises:
            RuntimeError: it does not run.
        """
        if self._listener is None:
            raise RuntimeError("The mail server is not running; use it as a context manager.")
        return int(self._listener.server_address[1])

    # How it shall behave

    def behave(self) -> None:
        """Take all mail again; what arrived stays."""
        self._refused: dict[str, str] = {}
        self._asked: Counter[str] = Counter()
        self._greylisted = self._cut = 0
        self._login = self._content = ""

    def refuse_recipient(
        self, address: str, reply: str = "550 5.1.1 The address does not exist"
    ) -> None:
        """Answer *reply* to one recipient, in whatever case it is written."""
        self._refused[address.lower()] = reply

    def greylist(self, times: int = 1) -> None:
        """Ask for each recipient that the mail come again later, so many times."""
        self._greylisted = times

    def refuse_login(self, reply: str = "535 5.7.8 Username or password is wrong") -> None:
        """Answer *reply* to each login."""
        self._login = reply

    def refuse_content(self, reply: str = "554 5.7.1 This mail is not wanted") -> None:
        """Answer *reply* once a mail's content is there; it is not kept."""
        self._content = reply

    def break_after_content(self, times: int = 1) -> None:
        """Keep a mail and end the connection in place of saying so, so many times."""
        self._cut = times

    # Running

    def __enter__(self) -> Self:
        self._listener = _Listener(self)
        self._thread = threading.Thread(
            target=self._listener.serve, name="mailsetup-testing", daemon=True
        )
        self._thread.start()
        self._owner = os.getpid()
        # A run that was broken off leaves contexts open, which Python then ends when it has no
        # threads any more. Here it still has.
        atexit.register(self.__exit__)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._listener is None or self._thread is None:
            return
        atexit.unregister(self.__exit__)
        listener, self._listener = self._listener, None
        listener.ended = True
        _join(self._thread)
        # A forked process shares the connections, and may close no more than its own copies.
        if self._owner == os.getpid():
            with self._lock:
                still = dict(self._open)
            for connection in still:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in still.values():
                _join(thread)
        listener.server_close()

    def __repr__(self) -> str:
        state = f"port {self.port}" if self._listener else "not running"
        return f"<MailServer {state}, {len(self.mails)} mails>"

    # What its connections ask and tell

    def _joins(self, connection: socket.socket) -> None:
        with self._lock:
            self._open[connection] = threading.current_thread()
            if self._listener is None:
                # It came in the moment of the end.
                connection.shutdown(socket.SHUT_RDWR)

    def _leaves(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)

    def _signs_in(self, username: str) -> str:
        with self._lock:
            self.logins.append(username)
        return self._login or "235 2.7.0 Welcome"

    def _wants(self, address: str) -> str:
        name = address.lower()
        if name in self._refused:
            return self._refused[name]
        with self._lock:
            self._asked[name] += 1
            if self._asked[name] <= self._greylisted:
                return "450 4.7.1 Greylisted, please come back later"
        return "250 2.1.5 OK"

    def _takes(self, mail: Mail) -> str:
        """Return the reply to a mail; "" ends the connection."""
        if self._content:
            return self._content
        with self._lock:
            self.mails.append(mail)
            if self._cut:
                self._cut -= 1
                return ""
        return "250 2.0.0 Kept"


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    # Others would keep a process from its end, for as long as a client keeps its connection.
    daemon_threads = True
    timeout = TICK

    def __init__(self, server: MailServer) -> None:
        self.mail_server = server
        self.ended = False
        super().__init__((HOST, 0), _Conversation)

    def serve(self) -> None:
        """Take connections until `ended`.

        Not ``serve_forever``: ending that one waits without a limit for its thread, which may be
        gone.
        """
        while not self.ended:
            self.handle_request()


class _Conversation(socketserver.StreamRequestHandler):
    """One connection (RFC 5321)."""

    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.ours = self.server.mail_server
        self.ours._joins(self.connection)
        self.username = self.sender = ""
        self.recipients: list[str] = []

    def finish(self) -> None:
        self.ours._leaves(self.connection)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        # The client may end it at any time.
        with suppress(OSError, EOFError):
            self._say("220 mail.test ESMTP")
            while True:
                verb, _, rest = self._line().partition(" ")
                command = _COMMANDS.get(verb.upper())
                reply = command(self, rest) if command else "502 5.5.1 Not known here"
                self._say(reply)
                if not reply or verb.upper() == "QUIT":
                    return

    def _line(self) -> str:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def _say(self, reply: str) -> None:
        if reply:
            self.wfile.write(f"{reply}\r\n".encode())

    def _ehlo(self, rest: str) -> str:
        lines = ["mail.test", *OFFERS]
        return "\r\n".join(f"250-{line}" for line in lines[:-1]) + f"\r\n250 {lines[-1]}"

    def _auth(self, rest: str) -> str:
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            parts = _decoded(initial or self._ask("")).split("\0")
            username = parts[1] if len(parts) == 3 else ""
        else:
            username = _decoded(initial or self._ask("Username:"))
            self._ask("Password:")
        reply = self.ours._signs_in(username)
        if reply.startswith("235"):
            self.username = username
        return reply

    def _ask(self, prompt: str) -> str:
        self._say(f"334 {base64.b64encode(prompt.encode()).decode()}")
        return self._line()

    def _mail(self, rest: str) -> str:
        self.sender, self.recipients = _address(rest), []
        return "250 2.1.0 OK"

    def _rcpt(self, rest: str) -> str:
        address = _address(rest)
        reply = self.ours._wants(address)
        if reply.startswith("250"):
            self.recipients.append(address)
        return reply

    def _data(self, rest: str) -> str:
        if not self.recipients:
            return "503 5.5.1 No recipients"
        self._say("354 Go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise EOFError
            lines.append(line.removeprefix(b"."))
        mail = Mail(self.sender, tuple(self.recipients), b"".join(lines), self.username)
        self.recipients = []
        return self.ours._takes(mail)

    def _rset(self, rest: str) -> str:
        self.recipients = []
        return "250 2.0.0 OK"


_COMMANDS: dict[str, Callable[[_Conversation, str], str]] = {
    "EHLO": _Conversation._ehlo,
    "HELO": lambda conversation, rest: "250 mail.test",
    "AUTH": _Conversation._auth,
    "MAIL": _Conversation._mail,
    "RCPT": _Conversation._rcpt,
    "DATA": _Conversation._data,
    "RSET": _Conversation._rset,
    "NOOP": lambda conversation, rest: "250 2.0.0 OK",
    "QUIT": lambda conversation, rest: "221 2.0.0 Bye",
}


def _join(thread: threading.Thread) -> None:
    """Wait for the end of a thread, where it can come: at its own end Python has stopped them."""
    if not sys.is_finalizing():
        thread.join(PATIENCE)


def _address(text: str) -> str:
    return text.partition("<")[2].rpartition(">")[0]


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""
