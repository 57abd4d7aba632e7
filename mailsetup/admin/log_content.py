"""What the log shows of a mail's content: headers, texts, attachments; links and codes hidden.

Nothing is fetched, neither by the server nor by the browser: HTML is shown in a frame of its own
without scripts, under a policy that allows the mail's own styles and the pictures inside it.
"""

import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from mailsetup.delivery import content
from mailsetup.exceptions import ContentUnavailableError
from mailsetup.models import Message
from mailsetup.redaction import redact, redact_html

# Also as a <meta> inside the page: it holds where something in between drops the header.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; "
    "base-uri 'none'"
)
HEADER_POLICY = f"{POLICY}; frame-ancestors 'self'; sandbox"
# Elements that could have the browser look a name up, or send a reader on.
_HEADINGS = re.compile(r"<(/?)(?=(?:link|meta|base)[\s/>])", re.IGNORECASE)
MOST_TEXT = 500_000
MOST_PARTS = 200
# Types that a browser may be told; anything else is told as plain octets.
_PLAIN_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")
_ACTIVE = ("html", "xml", "javascript", "ecmascript", "svg")


@dataclass(frozen=True, slots=True)
class Part:
    """One attachment, or a picture inside the text."""

    number: int
    name: str
    kind: str
    size: int
    is_inline: bool


@dataclass(slots=True)
class Shown:
    """What is shown of a content.

    Attributes:
        headers: names and values, in order.
        text: the plain text, or "".
        html: the HTML source, or "".
        parts: the attachments.
        problem: why nothing can be shown, or "".
        is_cut: whether the text was too long to be shown whole.
    """

    headers: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    html: str = ""
    parts: list[Part] = field(default_factory=list)
    problem: str = ""
    is_cut: bool = False


class Content:
    """The content of one message, read when it is first asked for.

    Args:
        row: the message.
    """

    def __init__(self, row: Message) -> None:
        self.row = row

    @cached_property
    def octets(self) -> bytes:
        """The mail as it went out, or is to."""
        return content.as_sent(self.row)

    @cached_property
    def mail(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.octets, policy=email.policy.default)

    def show(self, *, whole: bool) -> Shown:
        """Return what is shown of it.

        Args:
            whole: with links and codes; else they are hidden.
        """
        if not self.row.has_content:
            return Shown()
        try:
            return self._show(whole=whole)
        except ContentUnavailableError as error:
            return Shown(problem=str(error))
        except Exception:  # noqa: BLE001 - the parser fails in many ways on a stranger's mail
            return Shown(problem=_("This mail cannot be taken apart; it may be damaged."))

    def _show(self, *, whole: bool) -> Shown:
        mail = self.mail
        hide = str if whole else redact
        hide_html = str if whole else redact_html
        text, html = _body(mail, "plain"), _body(mail, "html")
        return Shown(
            headers=[
                # The Message-ID looks like a code; the page tells it anyway.
                (name, value if value == self.row.message_id else hide(value))
                for name, value in _headers(mail)
            ],
            text=hide(text[:MOST_TEXT]),
            html=hide_html(html[:MOST_TEXT]),
            parts=[_part(number, part, hide) for number, part in self._attachments()],
            is_cut=len(text) > MOST_TEXT or len(html) > MOST_TEXT,
        )

    def attachment(self, number: int) -> tuple[Part, bytes] | None:
        """Return an attachment with its octets; None where there is no such.

        Raises:
            ContentUnavailableError: the content cannot be read.
        """
        try:
            for each, part in self._attachments():
                if each == number:
                    return _part(each, part, str), _octets(part)
        except ContentUnavailableError:
            raise
        except Exception:  # noqa: BLE001 - as above; the page told of it
            return None
        return None

    def _attachments(self) -> Iterator[tuple[int, Any]]:
        bodies = [self.mail.get_body((kind,)) for kind in ("plain", "html")]
        number = 0
        for part in _leaves(self.mail):
            if any(part is body for body in bodies):
                continue
            number += 1
            if number > MOST_PARTS:
                return
            yield number, part


def frame_page(html: str) -> str:
    """Return a page for the frame that shows a mail's HTML.

    Args:
        html: the mail's source, hostile or not.
    """
    inert = _HEADINGS.sub(r"<\1x-", html)
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light">'
        '<base target="_blank"></head><body>'
    ) + inert


def safe_type(kind: str) -> str:
    """Return the content type to tell a browser; never one that it would run."""
    if not _PLAIN_TYPE.fullmatch(kind) or any(word in kind for word in _ACTIVE):
        return "application/octet-stream"
    return kind


def _headers(mail: EmailMessage) -> list[tuple[str, str]]:
    return [(name, " ".join(str(value).split())) for name, value in list(mail.items())[:200]]


def _leaves(mail: Any) -> Iterator[Any]:
    """Yield the parts that hold no others; a mail inside the mail counts as one."""
    if mail.get_content_maintype() != "multipart" or not mail.is_multipart():
        yield mail
        return
    for part in mail.iter_parts():
        yield from _leaves(part)


def _body(mail: EmailMessage, kind: str) -> str:
    part: Any = mail.get_body((kind,))
    if part is None:
        return ""
    octets = part.get_payload(decode=True) or b""
    charset = part.get_content_charset() or "utf-8"
    try:
        return octets.decode(charset, "replace")
    except LookupError:
        return octets.decode("utf-8", "replace")


def _octets(part: Any) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return b"".join(each.as_bytes() for each in part.get_payload())
    return part.get_payload(decode=True) or b""


def _part(number: int, part: Any, hide: Any) -> Part:
    name = part.get_filename() or ""
    return Part(
        number=number,
        name=hide(" ".join(name.split()))[:200],
        kind=part.get_content_type(),
        size=len(_octets(part)),
        is_inline=bool(part.get("Content-ID")) and part.get_content_disposition() != "attachment",
    )
