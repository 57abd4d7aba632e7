"""The mails that are sent: a small text, a page of HTML, a large attachment."""

from __future__ import annotations

import random
from functools import cache

from django.core.mail import EmailMultiAlternatives, send_mail

SENDER = "Shop Example <shop@example.com>"
RECIPIENT = "ann@example.org"
SUBJECT = "Your order 4711"

_PARAGRAPH = (
    "Thank you for your order. We pack it today, and it leaves our house tomorrow morning. "
    "You will get another mail with a link by which you can follow it.\n\n"
)
_ROW = (
    '<tr><td style="padding: 8px 12px; border-bottom: 1px solid #ddd">Blue cup, 0.3 l</td>'
    '<td style="padding: 8px 12px; text-align: right">12.50</td></tr>\n'
)
_PAGE = "<!doctype html>\n<html><body><table>\n{}</table></body></html>\n"


@cache
def text() -> str:
    """Return a plain text of about 1 kB."""
    return (_PARAGRAPH * 7)[:1000] + "\n"


@cache
def html() -> str:
    """Return a page of about 20 kB."""
    return _PAGE.format(_ROW * (20_000 // len(_ROW)))


@cache
def attachment() -> bytes:
    """Return 10 MB that no compression makes smaller."""
    return random.Random(4711).randbytes(10_000_000)


def build(kind: str) -> EmailMultiAlternatives:
    """Return a new mail of one kind: "text", "html" or "attachment"."""
    message = EmailMultiAlternatives(SUBJECT, text(), SENDER, [RECIPIENT])
    if kind == "html":
        message.attach_alternative(html(), "text/html")
    elif kind == "attachment":
        message.attach("catalogue.pdf", attachment(), "application/pdf")
    return message


def send(kind: str) -> None:
    """Send one mail as an app does: by `send_mail` unless it has an attachment."""
    if kind == "attachment":
        build(kind).send()
    else:
        page = html() if kind == "html" else None
        send_mail(SUBJECT, text(), SENDER, [RECIPIENT], html_message=page)


def ready(kind: str) -> bytes:
    """Return the bytes of one mail, for the peers that are given a finished one."""
    return build(kind).message().as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
