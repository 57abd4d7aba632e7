"""Groups of commands on their way out, and the replies on their way back.

The lower half of a batch: it knows what was written and how much of it may have left, nothing of
what the commands mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Final

from .errors import (
    ConnectionLostError,
    ProtocolError,
    ReplyTimeoutError,
    Stage,
    TransportError,
)
from .replies import Reply
from .wire import CHUNK, Wire

__all__ = ["ClosingError", "Flight"]

# How long to wait for replies on their way after a write failed.
_GRACE: Final = 0.5
# How long to wait for the end of the connection, or another reply, after 421.
_PATIENCE: Final = 5.0
_VERBS: Final = frozenset({b"MAIL ", b"RCPT ", b"DATA\r", b"RSET\r", b"BDAT ", b".\r\n"})


class ClosingError(Exception):
    """The server said 421, or the conversation is out of step: nothing more on this one."""

    def __init__(self, error: TransportError) -> None:
        super().__init__()
        self.error = error


class Flight:
    """One conversation's writes and reads."""

    def __init__(self, wire: Wire, expires: float | None) -> None:
        self.wire = wire
        self.expires = expires
        # What failed the last write; replies on their way are still read.
        self.broken: TransportError | None = None
        # How many octets of the last write may have left.
        self.gone = 0
        # Whether the last octet of the content under way may have left.
        self.left = False
        # Why the server takes no more messages over this connection, where it said so in a flight
        # and went on answering.
        self.spent: TransportError | None = None
        # Whether it did not hang up behind 421, and said no whole reply either.
        self.silent = False
        # A reply that was read before its time.
        self._ahead: Reply | None = None

    def put(self, parts: list[bytes], mark: int, messages: int = 1) -> None:
        """Write *parts*; octets up to *mark* hold the contents that are under way."""
        wire = self.wire
        if wire.has_unread:
            raise ClosingError(self.out_of_step())
        if wire.transcript is not None:
            self._tell(parts)
        writes = list(_joined(parts)) if mark > CHUNK else [b"".join(parts)]
        wire.expires = self.expires or monotonic() + wire.account.time_to_send(mark, messages)
        wire.stage = Stage.CONTENT if mark else Stage.SENDER
        before = 0
        try:
            for data in writes:
                wire.write(data, "")
                before += len(data)
                wire.handed = 0
        except ConnectionLostError as lost:
            self.broken = lost
            wire.expires = monotonic() + _GRACE
        self.gone = before + wire.handed
        self.left = 0 < mark <= self.gone

    def _tell(self, parts: list[bytes]) -> None:
        for part in parts:
            if part[:5] in _VERBS and len(part) < CHUNK:
                self.wire.tell_sent(part.decode("utf-8", "replace").rstrip())
            else:
                self.wire.tell_sent(f"({len(part)} octets of content)")

    def read(self, seconds: float | None = None, *, due: bool = False) -> Reply:
        """Return the next reply; 421 ends the conversation, if the server ends it too.

        Args:
            seconds: how long to wait for it; the account's timeout where not given.
            due: whether a content has left whose reply is to come behind this one.
        """
        reply = self._ahead or self.wire.read_reply(seconds)
        self._ahead = None
        if reply.code == 421:
            error = self.closes(reply)
            if not (due and self._goes_on()):
                # RFC 5321 section 3.8: nothing behind this was accepted.
                raise ClosingError(error)
            self.spent = error
        return reply

    def closes(self, reply: Reply) -> TransportError:
        return self.wire.failed(
            ConnectionLostError, f"{self.wire.account.host} closes the connection", reply
        )

    def _goes_on(self) -> bool:
        """Tell whether the server says more after 421, and does not hang up.

        It used the code for this command alone then, as Exim does for each MAIL over a connection
        that has carried enough, and may accept what is behind.
        """
        try:
            self._ahead = self.wire.read_reply(min(_PATIENCE, self.wire.timeout))
        except (ReplyTimeoutError, ProtocolError):
            self.silent = True
        except ConnectionLostError:
            # It hung up, as RFC 5321 section 3.8 has it; unless it was saying something.
            self.silent = self.wire.has_unread
        return self._ahead is not None

    def unanswered(self) -> TransportError:
        host = self.wire.account.host
        return self.wire.failed(
            ConnectionLostError,
            f"{host} ended the conversation before it answered for this message.",
        )

    def out_of_step(self) -> TransportError:
        host = self.wire.account.host
        return self.wire.failed(ProtocolError, f"The replies of {host} are out of step.")


def _joined(parts: list[bytes]) -> Iterator[bytes]:
    """Give out *parts*, the small ones joined: a write each costs a packet each."""
    small: list[bytes] = []
    for part in parts:
        if len(part) < CHUNK:
            small.append(part)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield part
    if small:
        yield b"".join(small)
