"""Bytes to and from the server, under one deadline, with every reply within limits.

:class:`Wire` is the lower half of the session: it gives smtplib's reading and writing a deadline,
caps, a transcript and errors that know their stage. It knows nothing of logins and messages.
"""

from __future__ import annotations

import math
import os
import smtplib
import socket
from time import monotonic
from typing import Any, Final

from .account import Account
from .errors import ConnectionLostError, ProtocolError, ReplyTimeoutError, Stage, TransportError
from .replies import GarbledError, Reply, ReplyBuffer
from .scrub import Scrubber
from .transcript import Transcript

__all__ = ["Wire"]

_RECEIVE: Final = 8192
# Small enough that a break tells within this many octets how far a message got.
CHUNK: Final = 65_536

_WHILE: Final = {
    Stage.GREETING: "before its greeting",
    Stage.EHLO: "after its greeting",
    Stage.TLS: "at the start of TLS",
    Stage.LOGIN: "during the login",
    Stage.SENDER: "when it was told the sender",
    Stage.RECIPIENT: "when it was told the recipients",
    Stage.CONTENT: "before it accepted the message",
    Stage.ACCEPTED: "after it accepted the message",
}


class Wire(smtplib.SMTP):
    """An SMTP connection's input and output."""

    sock: socket.socket | None

    def __init__(self, account: Account, transcript: Transcript | None = None) -> None:
        # A name of one's own keeps smtplib from asking the name service for one.
        super().__init__(local_hostname="localhost", timeout=account.timeout)
        self.timeout: float = account.timeout
        self.account = account
        self.transcript = transcript
        self.stage = Stage.DNS
        # Monotonic time at which the operation under way must be over.
        self.expires = math.inf
        # Octets of the last write that may have left this machine.
        self.handed = 0
        self._inbox = ReplyBuffer()
        self.scrub = Scrubber()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        state = "open" if self.sock is not None else "closed"
        return f"<{type(self).__name__} {self.account.host}:{self.account.port} {state}>"

    # Writing

    def write(self, data: bytes, shown: str | None = None) -> None:
        """Send *data* in as few packets as it fits in.

        Args:
            data: whole command lines, content, or both.
            shown: what the transcript tells instead of it; "" tells nothing.

        Raises:
            ConnectionLostError: with `handed` telling how many octets may have left.
        """
        self.handed = 0
        if shown != "" and self.transcript is not None:
            text = data.decode("utf-8", "replace").rstrip("\r\n") if shown is None else shown
            self.tell_sent(text.replace("\r\n", "\n"))
        sock = self.sock
        if sock is None:
            raise self._closed()
        total = len(data)
        sent = 0
        view: bytes | memoryview = data
        while sent < total:
            if sent or total > CHUNK:
                view = memoryview(data)[sent : sent + CHUNK]
            left = self.expires - monotonic()
            left = min(left, self.timeout)
            if left <= 0:
                raise self._silent("did not take what was sent")
            # Told before the call: a call that fails may yet have handed its octets over.
            self.handed = sent + len(view)
            failure: OSError | None = None
            try:
                sock.settimeout(left)
                sent += sock.send(view)
            except OSError as error:
                failure = error
            if failure is not None:
                raise self._broken(failure, "did not take what was sent")

    def tell_sent(self, text: str) -> None:
        """Take down *text* as said by us."""
        if self.transcript is not None:
            self.transcript.add("C", text)

    def send(self, s: Any) -> Any:
        """Send text or bytes as smtplib's method does."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        self.disown()
        try:
            self.write(data)
        except ConnectionLostError:
            self.close()
            raise

    # Reading

    def read_reply(self, seconds: float | None = None) -> Reply:
        """Return the next reply.

        Args:
            seconds: how long to wait for all of it; the account's timeout where not given.

        Raises:
            ConnectionLostError: the connection ended, the time is over, or what came is no reply.
        """
        inbox = self._inbox
        garbled = ""
        try:
            reply = inbox.take()
            if reply is None:
                until = monotonic() + (self.timeout if seconds is None else seconds)
                until = min(until, self.expires)
                while reply is None:
                    self._receive(until)
                    reply = inbox.take()
            if self.transcript is not None:
                self._tell(reply)
            return reply
        except GarbledError as error:
            garbled = str(error)
        inbox.clear()
        raise self.failed(ProtocolError, f"{self._name} {garbled} {_WHILE[self._where]}.")

    def _receive(self, until: float) -> None:
        sock = self.sock
        if sock is None:
            raise self._closed()
        left = until - monotonic()
        if left <= 0:
            raise self._silent("did not answer")
        failure: OSError | None = None
        data = b""
        try:
            sock.settimeout(left)
            data = sock.recv(_RECEIVE)
        except OSError as error:
            failure = error
        if failure is not None:
            raise self._broken(failure, "did not answer")
        if not data:
            raise self.failed(
                ConnectionLostError, f"{self._name} ended the connection {_WHILE[self._where]}."
            )
        self._inbox.feed(data)

    @property
    def has_unread(self) -> bool:
        """Whether octets arrived that no reply was waited for."""
        return bool(self._inbox)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply as smtplib's method does."""
        try:
            reply = self.read_reply()
        except ConnectionLostError:
            self.close()
            raise
        return reply.code, reply.text

    def _tell(self, reply: Reply) -> None:
        if self.transcript is None:
            return
        lines = reply.text.decode("utf-8", "replace").split("\n")
        last = len(lines) - 1
        for index, line in enumerate(lines):
            self.transcript.add("S", f"{reply.code}{' ' if index == last else '-'}{line}")

    # Errors

    @property
    def _name(self) -> str:
        return f"{self.account.host}, port {self.account.port},"

    @property
    def _where(self) -> Stage:
        return self.stage if self.stage in _WHILE else Stage.GREETING

    def failed(
        self, kind: type[TransportError], sentence: str, reply: Reply | None = None, **more: Any
    ) -> TransportError:
        """Return an error of *kind* at the present stage, scrubbed.

        Args:
            kind: the class.
            sentence: what happened; the reply's words are added to it.
            reply: the server's reply, where one was the reason.
            more: further arguments of `TransportError`.
        """
        words = ""
        if reply is not None:
            words = reply.words(self.scrub)
            more = {"code": reply.code, "enhanced_code": reply.enhanced_code} | more
            sentence = f"{sentence}: {words}"
        return kind(
            self.scrub(sentence),
            **({"stage": self.stage, "reply": words} | more),
            host=self.account.host,
            port=self.account.port,
        )

    def _broken(self, failure: OSError, silence: str) -> TransportError:
        if isinstance(failure, TimeoutError):
            return self._silent(silence)
        why = failure.strerror or type(failure).__name__
        return self.failed(
            ConnectionLostError,
            f"The connection to {self._name} broke {_WHILE[self._where]}: {why}.",
            errno=failure.errno,
        )

    def _silent(self, what: str) -> TransportError:
        return self.failed(ReplyTimeoutError, f"{self._name} {what} in time {_WHILE[self._where]}.")

    def _closed(self) -> TransportError:
        return self.failed(ConnectionLostError, f"The connection to {self._name} is closed.")

    def disown(self) -> None:
        """Close in silence what belongs to the process that this one was forked from.

        A byte of ours would break its TLS. Called before each use.
        """
        if self._pid != os.getpid():
            self.close()

    def close(self) -> None:
        """Close the socket, saying nothing; never raises."""
        self._inbox.clear()
        sock, self.sock = self.sock, None
        if sock is not None:
            try:
                sock.close()
            except OSError:
                # A close that fails has closed.
                pass
