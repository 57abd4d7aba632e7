"""What is handed to a session, and what comes back for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from .errors import Outcome, TransportError

__all__ = ["Envelope", "Receipt", "Watch"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message and where it goes.

    Args:
        sender: the return path; "" is the null sender. Domains are IDNA-encoded by the caller.
        recipients: the addresses that get it; Bcc ones too.
        content: headers and body, lines ended by CRLF.
        smtputf8: the content's headers hold UTF-8 (RFC 6531), so the server must offer it.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    smtputf8: bool = False


_NOBODY: Final[Mapping[str, TransportError]] = MappingProxyType({})


class Receipt(NamedTuple):
    """What became of one envelope.

    Args:
        outcome: SENT where at least one recipient's mail was accepted.
        accepted: the recipients whose mail was accepted.
        refused: the others, each with the reason.
        reply: the final reply's words, with its code.
        code: the final reply's code.
        enhanced_code: its RFC 3463 code, or "".
        error: why it was not sent; None where it was.
        seconds: from the first octet of its envelope to its final reply; where there was no
            connection, how long it took to find that out.
        unsent: sending it again is safe, because the connection failed it and not the server's
            judgement: its last octet never left, or 421 was the reply.
    """

    outcome: Outcome
    accepted: tuple[str, ...] = ()
    refused: Mapping[str, TransportError] = _NOBODY
    reply: str = ""
    code: int | None = None
    enhanced_code: str = ""
    error: TransportError | None = None
    seconds: float = 0.0
    unsent: bool = False


class Watch(Protocol):
    """Told of each message's course while it happens, by whoever must write it down.

    An exception raised in here ends the batch and the connection, and reaches the caller; what
    was told before is all that is known then.
    """

    def goes_on(self) -> bool:
        """Tell whether the next message is to be begun; False leaves the rest unsent."""
        ...

    def leaving(self, envelopes: Sequence[Envelope]) -> Sequence[bool]:
        """Hear whose contents go out next: from here on they may be accepted.

        Args:
            envelopes: one, or as many as the account lets be in flight.

        Returns:
            For each, False: the message is not to be sent after all.
        """
        ...

    def settled(self, envelope: Envelope, receipt: Receipt) -> None:
        """Hear what became of a message; not of one left unsent, which may be tried again."""
        ...
