"""Checks of the values that an administrator types, each with the cure in its message.

They run on forms, on ``full_clean`` and, through :mod:`mailsetup.effective`, on values from the
environment. Refused everywhere: control characters, because these values end up on command lines
of SMTP and in headers.
"""

import ipaddress
import re
import unicodedata
from email.headerregistry import AddressHeader
from typing import NamedTuple

from cryptography import x509
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)$")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
# The network interface of a link-local IPv6 address (RFC 4007 section 11).
_ZONE = re.compile(r"[A-Za-z0-9._-]+")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:/*", re.IGNORECASE)
_GLUED_PORT = re.compile(r"^(?P<host>[^:\s]+):(?P<port>\d+)$")


def validate_no_control(value: str) -> None:
    """Refuse control characters (C0, DEL, C1 and the Unicode line separators)."""
    for character in value:
        if unicodedata.category(character) in {"Cc", "Zl", "Zp"}:
            raise ValidationError(
                _("This value contains a control character (U+%(code)s). Type it again by hand."),
                code="control_character",
                params={"code": f"{ord(character):04X}"},
            )


def validate_host(value: str) -> None:
    """Refuse whatever is not a bare host name or IP address, and say what to type instead."""
    validate_no_control(value)
    if any(character.isspace() for character in value):
        raise ValidationError(
            _("A server name has no blanks. Type only the name, for example smtp.gmail.com."),
            code="host_blank",
        )
    if scheme := _SCHEME.match(value):
        netloc = value[scheme.end() :].partition("/")[0]
        bare = netloc.rpartition("@")[2].partition(":")[0]
        if bare and "/" in scheme.group():
            raise ValidationError(
                _("Type the name without “%(scheme)s”: %(bare)s"),
                code="host_scheme",
                params={"scheme": scheme.group(), "bare": bare},
            )
    if value.startswith("["):
        raise ValidationError(
            _("Type the address without brackets, and a port into the field “Port”."),
            code="host_brackets",
        )
    if glued := _GLUED_PORT.match(value):
        raise ValidationError(
            _("Type only the name here, %(host)s, and %(port)s into the field “Port”."),
            code="host_port",
            params=glued.groupdict(),
        )
    if "@" in value:
        raise ValidationError(
            _("This is an e-mail address. Type the name of the mail server, such as %(example)s."),
            code="host_address",
            params={"example": "smtp." + (value.rsplit("@", 1)[-1] or "gmail.com")},
        )
    if not _is_host(value):
        raise ValidationError(
            _(
                "“%(value)s” is not a server name. Type a name such as smtp.gmail.com "
                "or an IP address."
            ),
            code="host_invalid",
            params={"value": value},
        )


def _is_ip(value: str) -> bool:
    address, percent, zone = value.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        return False
    try:
        ipaddress.IPv6Address(address) if percent else ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _is_literal(value: str) -> bool:
    """Recognise an address literal (RFC 5321 section 4.1.3)."""
    bracketed = value.startswith("[") and value.endswith("]") and "%" not in value
    return bracketed and _is_ip(value[1:-1].removeprefix("IPv6:"))


def _is_host(value: str) -> bool:
    if _is_ip(value):
        return True
    labels = value.removesuffix(".").split(".")
    if len(value) > 253 or labels[-1].isdigit():
        return False
    return all(_LABEL.match(label) for label in labels)


def validate_ehlo_name(value: str) -> None:
    """Accept an ASCII host name or an address literal (RFC 5321 section 4.1.3)."""
    validate_no_control(value)
    is_name = value.isascii() and ":" not in value and _is_host(value)
    if not is_name and not _is_literal(value):
        raise ValidationError(
            _(
                "Type this site's host name, such as www.example.com, "
                "or an address like [192.0.2.1]."
            ),
            code="ehlo_invalid",
        )


def validate_name(value: str) -> None:
    """Refuse what is not a slug, and say what to type instead."""
    validate_no_control(value)
    if _NAME.fullmatch(value):
        return
    # The one letter of Vietnamese that Unicode does not take apart.
    proposal = slugify(value.translate({ord("đ"): "d", ord("Đ"): "D"}))[:50].strip("-")
    raise ValidationError(
        _(
            "A name has only the letters a to z, digits, hyphens and underscores. "
            "Type, for example: %(example)s"
        ),
        code="name_invalid",
        params={"example": proposal or "shop"},
    )


def validate_address(value: str) -> None:
    """Accept one bare address with a domain; letters of any script are allowed (RFC 6531)."""
    validate_no_control(value)
    boxes, defects = parse_mailboxes(value)
    # Python reports what RFC 6531 allows; whether the server does is known when it is asked.
    defects = {defect for defect in defects if "non-ASCII" not in defect}
    bare = len(boxes) == 1 and not boxes[0].name and "<" not in value
    if defects or not bare or not (_is_host(boxes[0].domain) or _is_literal(boxes[0].domain)):
        raise ValidationError(
            _("“%(value)s” is not an e-mail address. Type one like name@example.com."),
            code="address_invalid",
            params={"value": value},
        )


class Mailbox(NamedTuple):
    """One mailbox of an address header (RFC 5322 section 3.4)."""

    name: str
    address: str
    domain: str


def parse_mailboxes(text: str) -> tuple[list[Mailbox], set[str]]:
    """Return the mailboxes that a header's text names, and the defects of the text."""
    try:
        parsed = AddressHeader.value_parser(text)
        mailboxes = [
            Mailbox(box.display_name or "", str(box.addr_spec), box.domain or "")
            for box in parsed.all_mailboxes
        ]
        return mailboxes, {str(defect) for defect in parsed.all_defects}
    except Exception:  # noqa: BLE001 - Python's parser falls over texts such as "<" and "a@["
        return [], {"no address"}


def validate_ca(value: str) -> None:
    """Accept one or more certificates in PEM text."""
    if "PRIVATE KEY" in value:
        raise ValidationError(
            _("This contains a private key. Give only certificates; keep the key to yourself."),
            code="ca_private_key",
        )
    try:
        found = x509.load_pem_x509_certificates(value.encode())
    except ValueError:
        raise ValidationError(
            _(
                "This is not a certificate. Give PEM text, which begins with "
                "“-----BEGIN CERTIFICATE-----”."
            ),
            code="ca_invalid",
        ) from None
    if len(found) < value.count("-----BEGIN CERTIFICATE-----"):
        # The parser passes over a block without its end.
        raise ValidationError(
            _(
                "A certificate in this text is cut off. Copy it again, up to "
                "“-----END CERTIFICATE-----”."
            ),
            code="ca_cut",
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this computer by its name or address, without asking DNS."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
