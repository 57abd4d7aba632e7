"""From an envelope to the commands and octets of its transaction.

Refuses, before a byte leaves: addresses that could end a command or begin another, messages
larger than the server takes, and what needs SMTPUTF8 where it is not offered. Bare CR and LF
become CRLF, so that no server reads an end of message where another reads text (SMTP smuggling).
"""

from __future__ import annotations

import re
from typing import Final

from .envelope import Envelope
from .errors import (
    InvalidAddressError,
    NotOfferedError,
    Outcome,
    RecipientsRefusedError,
    Stage,
    TooLargeError,
    TransportError,
)
from .servers import Features
from .wire import Wire

__all__ = ["Item", "normalised", "prepare", "stuffed"]

_BARE: Final = re.compile(rb"\r\n|\r|\n")
# RFC 5321 section 4.1.2 leaves out of an address what would end the path it stands in.
_UNSAFE: Final = re.compile(r'[ <>"\\]')
# Printable ASCII without these: by far the most addresses.
_PLAIN: Final = re.compile(r"[!#-;=?-\[\]-~]{1,1000}")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\[ -~])*"@[^ <>"\\@]+')
_MAX_PATH: Final = 1000
# Contents up to this size may be copied to be looked at.
_COPIED: Final = 262_144


class Item:
    """One message under way."""

    __slots__ = (
        "accepted",
        "began",
        "content",
        "envelope",
        "error",
        "index",
        "mail",
        "rcpts",
        "recipients",
        "refused",
    )

    def __init__(self, index: int, envelope: Envelope) -> None:
        self.index = index
        self.envelope = envelope
        self.content = b""
        self.mail = b""
        self.rcpts: list[bytes] = []
        self.recipients: list[str] = []
        self.accepted: list[str] = []
        self.refused: dict[str, TransportError] = {}
        self.error: TransportError | None = None
        self.began = 0.0


def normalised(content: bytes) -> bytes:
    """Return *content* with every line ended by CRLF (RFC 5321 section 2.3.8)."""
    if not _is_normal(content):
        content = _BARE.sub(b"\r\n", content)
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    return content


def _is_normal(content: bytes) -> bool:
    """Tell whether every CR and every LF of *content* is half of a CRLF."""
    if len(content) > _COPIED:
        ends = content.count(b"\r\n")
        return content.count(b"\n") == ends == content.count(b"\r")
    # Several times faster than counting, for two copies of the content.
    return content.replace(b"\r", b"").replace(b"\n", b"\r\n") == content


def stuffed(content: bytes) -> bytes:
    """Return normalised *content* with leading dots doubled (RFC 5321 section 4.5.2)."""
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def prepare(wire: Wire, features: Features, index: int, envelope: Envelope) -> Item:
    """Return *envelope* made ready for a server with *features*.

    An item with an `error` cannot be sent there at all.
    """
    item = Item(index, envelope)
    try:
        _fill(wire, features, item)
    except TransportError as error:
        item.error = error.clean()
    return item


def _fill(wire: Wire, features: Features, item: Item) -> None:
    envelope = item.envelope
    item.content = content = normalised(envelope.content)
    if 0 < features.size < len(content):
        raise wire.failed(
            TooLargeError,
            f"The message has {len(content)} octets; {wire.account.host} takes at most "
            f"{features.size}.",
            stage=Stage.SENDER,
            outcome=Outcome.FAILED_MESSAGE,
        )
    utf8 = _needs_utf8(wire, features, envelope)
    for address in envelope.recipients:
        if not address or not _is_safe(address):
            item.refused[address] = _unsafe(wire, "A recipient", Stage.RECIPIENT)
        elif not address.isascii() and not features.smtputf8:
            item.refused[address] = _no_utf8(wire, address, Stage.RECIPIENT)
        else:
            utf8 = utf8 or not address.isascii()
            item.recipients.append(address)
            item.rcpts.append(b"RCPT TO:<" + address.encode() + b">\r\n")
    if not item.recipients:
        raise _nobody(wire, item.refused)
    item.mail = _mail(features, envelope.sender, content, utf8=utf8)


def _mail(features: Features, sender: str, content: bytes, *, utf8: bool) -> bytes:
    parameters = f" SIZE={len(content)}" if features.sized else ""
    if features.eightbit and (utf8 or not content.isascii()):
        parameters += " BODY=8BITMIME"
    if utf8:
        parameters += " SMTPUTF8"
    return f"MAIL FROM:<{sender}>{parameters}\r\n".encode()


def _needs_utf8(wire: Wire, features: Features, envelope: Envelope) -> bool:
    sender = envelope.sender
    if not _is_safe(sender):
        raise _unsafe(wire, "The envelope sender", Stage.SENDER)
    if not features.smtputf8:
        if not sender.isascii():
            raise _no_utf8(wire, sender, Stage.SENDER)
        if envelope.smtputf8:
            raise wire.failed(
                NotOfferedError,
                f"The message has international addresses in its headers, and "
                f"{wire.account.host} does not offer SMTPUTF8.",
                stage=Stage.SENDER,
                outcome=Outcome.FAILED_MESSAGE,
            )
    return envelope.smtputf8 or not sender.isascii()


def _is_safe(address: str) -> bool:
    if _PLAIN.fullmatch(address):
        return True
    # isprintable is false for every control, format and bidi character, and for surrogates.
    if not address.isprintable() or len(address) > _MAX_PATH:
        return False
    return not _UNSAFE.search(address) or bool(_QUOTED.fullmatch(address))


def _unsafe(wire: Wire, who: str, stage: Stage) -> TransportError:
    return wire.failed(
        InvalidAddressError,
        f"{who} is no mail address that may be sent.",
        stage=stage,
        outcome=_final(stage),
    )


def _no_utf8(wire: Wire, address: str, stage: Stage) -> TransportError:
    return wire.failed(
        NotOfferedError,
        f"The address {address} needs SMTPUTF8, which {wire.account.host} does not offer.",
        stage=stage,
        outcome=_final(stage),
    )


def _final(stage: Stage) -> Outcome:
    return Outcome.FAILED_RECIPIENT if stage is Stage.RECIPIENT else Outcome.FAILED_MESSAGE


def _nobody(wire: Wire, refused: dict[str, TransportError]) -> TransportError:
    if len(refused) == 1:
        return next(iter(refused.values()))
    return wire.failed(
        RecipientsRefusedError,
        "The message has no recipient it could be sent to.",
        stage=Stage.RECIPIENT,
        outcome=Outcome.FAILED_RECIPIENT if refused else Outcome.FAILED_MESSAGE,
    )
