"""Makes of a Django message what goes over the wire, without touching the caller's object.

The Message-ID is fixed first; From and Reply-To are rewritten as the profile says; Bcc never
becomes a header.
"""

import copy
import email.policy
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import make_msgid, parseaddr
from functools import lru_cache
from typing import NamedTuple

import django
from django.core.mail import EmailMessage
from django.utils.encoding import punycode

from mailsetup.delivery import attachments, generator
from mailsetup.delivery.addresses import EnvelopeAddress, envelope_address, mailbox
from mailsetup.effective import Effective, SenderRules
from mailsetup.smtp.session import Envelope

if django.VERSION < (6, 0):
    # Later versions deprecate the classes that it knows.
    from mailsetup.delivery import folding

# What Django puts there where the site has set nothing; no mail server takes mail from them.
PLACEHOLDER_SENDERS = {"webmaster@localhost", "root@localhost"}


# Headers that are for this app, not for the recipient.
OWN_HEADERS = "x-mailsetup-"


class AddressNeedsSMTPUTF8Error(ValueError):
    """An address with non-ASCII letters before the @ cannot be written on this Django version."""


@dataclass(slots=True)
class Given:
    """What the app said of a mail's sender and identity.

    Attributes:
        header: its From.
        sender: its envelope sender, where no profile names another.
        has_reply_to: whether it named a Reply-To.
        message_id: its Message-ID, or "".
    """

    header: str
    sender: str
    has_reply_to: bool
    message_id: str


class Identity(NamedTuple):
    """From and Reply-To as a profile wants them for one From that an app gave."""

    sender: str
    reply_to: tuple[str, ...]


def compose(message: EmailMessage, effective: Effective) -> Envelope:
    """Return the envelope and the serialised content of a message.

    Raises:
        ValueError: an address is invalid.
        BadHeaderError, TypeError, …: whatever the message's own ``message()`` raises.
    """
    return composed(message, effective)[0]


def composed(message: EmailMessage, effective: Effective) -> tuple[Envelope, Given]:
    """Return the envelope of a message, and what the app said; the Message-ID is there by now.

    Raises:
        Exception: as :func:`compose`.
    """
    prepared, given = rewrite(message, effective)
    sender = envelope_address(effective["return_path"] or prepared.from_email)
    recipients = [envelope_address(address) for address in prepared.recipients()]
    utf8 = [entry for entry in (sender, *recipients) if entry.smtputf8]
    envelope = Envelope(
        sender=sender.address,
        recipients=tuple(dict.fromkeys(entry.address for entry in recipients)),
        content=serialise(prepared, smtputf8=utf8),
        smtputf8=bool(utf8),
    )
    return envelope, given


def rewrite(message: EmailMessage, effective: Effective) -> tuple[EmailMessage, Given]:
    """Return a copy with the Message-ID fixed and the profile's From and Reply-To."""
    prepared, given = prepare(message)
    headers = prepared.extra_headers
    wanted = identity(given.header, effective.sender_rules)
    prepared.from_email = wanted.sender
    if "From" in headers:
        # from_email is left for the envelope; each is rewritten by itself.
        headers["From"] = wanted.sender
        prepared.from_email = sender(given.sender, effective.sender_rules)
    if not given.has_reply_to:
        prepared.reply_to = list(wanted.reply_to)
    if not given.message_id:
        headers["Message-ID"] = given.message_id = new_message_id(prepared.from_email)
    return prepared, given


def prepare(message: EmailMessage) -> tuple[EmailMessage, Given]:
    """Return a copy without the headers that nobody outside may see, and what the app said."""
    prepared = copy.copy(message)
    headers: dict[str, str] = {}
    message_id, has_reply_to = "", bool(message.reply_to)
    for name, value in (message.extra_headers or {}).items():
        lowered = name.lower()
        if lowered in {"bcc", "resent-bcc"} or lowered.startswith(OWN_HEADERS):
            continue
        headers[name] = value
        if lowered == "message-id":
            message_id = str(value)
        has_reply_to = has_reply_to or lowered == "reply-to"
    prepared.extra_headers = headers
    sender = str(message.from_email)
    return prepared, Given(str(headers.get("From", sender)), sender, has_reply_to, message_id)


def serialise(message: EmailMessage, *, smtputf8: list[EnvelopeAddress]) -> bytes:
    """Return the message's bytes with CRLF line ends (RFC 5322 section 2.1)."""
    if django.VERSION < (6, 0):
        if smtputf8:
            raise AddressNeedsSMTPUTF8Error(
                f"Invalid address {smtputf8[0].address!r}: letters outside ASCII before the @ "
                "need Django 6.0 or later, whose messages can carry them (SMTPUTF8, RFC 6531)."
            )
        return attachments.serialise(message, lambda message: folding.as_bytes(message.message()))
    policy = email.policy.SMTPUTF8 if smtputf8 else email.policy.SMTP
    return attachments.serialise(
        message, lambda message: generator.as_bytes(message.message(policy=policy))
    )


@lru_cache(maxsize=512)
def identity(given: str, rules: SenderRules) -> Identity:
    """Return From and Reply-To for the From that the app gave, by the profile's rules.

    From memory: a site has few senders, and parsing them would take longer than all else here.
    """
    wanted = sender(given, rules)
    address = parseaddr(given)[1]
    if address.lower() != parseaddr(wanted)[1].lower() and _is_real(address):
        # Answers still reach whom the app named.
        return Identity(wanted, (given,))
    return Identity(wanted, (rules.reply_to,) if rules.reply_to else ())


@lru_cache(maxsize=512)
def sender(given: str, rules: SenderRules) -> str:
    """Return the From that *From email*, *From name* and their *force* make of the app's."""
    name, address = parseaddr(given)
    wanted_name, wanted_address = _decoded(name), address
    if rules.force_from_email or address.lower() in PLACEHOLDER_SENDERS:
        wanted_address = rules.from_email or address
    if rules.from_name and (rules.force_from_name or not name):
        wanted_name = rules.from_name
    if not wanted_address or (_decoded(name), address) == (wanted_name, wanted_address):
        return given
    return mailbox(wanted_name, wanted_address)


def _decoded(name: str) -> str:
    """Return a display name as people read it: ``formataddr`` writes it in RFC 2047's words.

    Inside the quotes of a new mailbox those would be no encoded words, but an error. A name in
    words that nobody can read is none.
    """
    if "=?" not in name:
        return name
    try:
        return " ".join(str(make_header(decode_header(name))).split())
    except (HeaderParseError, LookupError, ValueError):
        return ""


def _is_real(address: str) -> bool:
    """Tell whether an answer to this address could arrive."""
    domain = address.rpartition("@")[2]
    return "@" in address and "." in domain and address.lower() not in PLACEHOLDER_SENDERS


def new_message_id(sender: str) -> str:
    """Return a new Message-ID in the domain of a sender (RFC 5322 section 3.6.4)."""
    # The domain comes from the sender, not from this computer's name: asking for that one can
    # take a DNS look-up of many seconds.
    return make_msgid(domain=_domain(sender))


@lru_cache(maxsize=512)
def _domain(sender: str) -> str:
    _, at, domain = parseaddr(sender)[1].rpartition("@")
    if not domain.isascii():
        domain = punycode(domain)
    return domain if at and domain else "localhost"
