"""Addresses for the envelope: bare, checked, with ASCII domains.

The rules are those of Django's SMTP backend from 6.0 on, for every version of Django.
"""

import re
from email.headerregistry import Address
from functools import lru_cache
from typing import NamedTuple

from django.utils.encoding import force_str, punycode

from mailsetup.models.validators import parse_mailboxes

# A dot-atom at a host name: by far the most addresses, and nothing in them needs a parser.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)
_NON_ASCII_LOCAL_PART = "local-part contains non-ASCII characters)"


class EnvelopeAddress(NamedTuple):
    """An address as MAIL and RCPT take it, and whether it needs SMTPUTF8 (RFC 6531)."""

    address: str
    smtputf8: bool


def envelope_address(address: object) -> EnvelopeAddress:
    """Return the bare address for the envelope, its domain in IDNA where it is not ASCII.

    Args:
        address: as a message has it, with or without a display name.

    Raises:
        ValueError: it is not one valid address; control characters included.
    """
    text = force_str(address)
    if _PLAIN.fullmatch(text):
        return EnvelopeAddress(text, smtputf8=False)
    return _parsed(text)


@lru_cache(maxsize=512)
def _parsed(text: str) -> EnvelopeAddress:
    bare = bare_address(text)
    local_part, at, domain = bare.rpartition("@")
    if at and not domain.isascii():
        try:
            bare = str(Address(addr_spec=f"{local_part}@{punycode(domain)}"))
        except ValueError:
            # Address() refuses the local parts that RFC 6531 allows.
            bare = f"{local_part}@{punycode(domain)}"
    return EnvelopeAddress(bare, smtputf8=not bare.isascii())


def bare_address(text: str, *, force_ascii: bool = False) -> str:
    """Return the address inside a mailbox, in whatever letters it is written.

    Raises:
        ValueError: it is not one valid address; with ``force_ascii`` also where its local part
            needs SMTPUTF8.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError(f"Invalid address {text!r}: contains a control character")
    mailboxes, defects = parse_mailboxes(text)
    # Django allows local mailboxes such as "webmaster".
    defects.discard("addr-spec local part with no domain")
    if not force_ascii:
        defects.discard(_NON_ASCII_LOCAL_PART)
    if defects:
        raise ValueError(f"Invalid address {text!r}: {'; '.join(sorted(defects))}")
    if len(mailboxes) != 1:
        raise ValueError(f"Invalid address {text!r}: must be a single address")
    return mailboxes[0].address


def mailbox(name: str, address: str) -> str:
    """Return ``"Name" <address>`` for a header, or the bare address where there is no name."""
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'
