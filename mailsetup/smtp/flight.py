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

    def read(self, seconds: float | None = None) -> Reply:
        """Return the next reply; 421 ends the conversation."""
        reply = self.wire.read_reply(seconds)
        if reply.code == 421:
            # RFC 5321 section 3.8: it is about to close; nothing behind this was accepted.
            raise ClosingError(self.closes(reply))
        return reply

    def closes(self, reply: Reply) -> TransportError:
        return self.wire.failed(
            ConnectionLostError, f"{self.wire.account.host} closes the connection", reply
        )

    def hangs_up(self) -> bool:
        """Tell whether the server ends the connection after 421, as RFC 5321 section 3.8 has it.

        One that goes on may accept what is behind: it used the code for a message alone.
        """
        wire = self.wire
        wire.expires = monotonic() + _GRACE
        try:
            wire.read_reply(_GRACE)
        except (ReplyTimeoutError, ProtocolError):
            return False
        except ConnectionLostError:
            return True
        return False

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
