"""Mails for the log, as they look after each way a mail can go."""

from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from django.utils import timezone

from mailsetup.delivery import content
from mailsetup.models import Attempt, LogLevel, Message, State
from mailsetup.models.message import SETTLED

TOKEN = "cq3v9z-6c7b1f0e2d9a4b8c"
LINK = f"https://shop.example.com/reset/MQ/{TOKEN}/"
HTML = (
    "<html><head><title>Reset</title><style>p {color: #333}</style></head><body>"
    f'<h1>Your new password</h1><p>Open <a href="{LINK}">this link</a> to choose one.</p>'
    "</body></html>"
)
TEXT = f"Your new password\n\nOpen {LINK} to choose one.\n"


def octets(**fields: Any) -> bytes:
    """Return a mail as it is kept: a text, an HTML and an attachment."""
    mail = EmailMessage()
    mail["Subject"] = fields.get("subject", "Password reset on Example Shop")
    mail["From"] = "Example Shop <shop@example.com>"
    mail["To"] = fields.get("to", "anna@example.org")
    mail["Date"] = "Thu, 01 Jan 2026 09:00:00 +0000"
    mail["Message-ID"] = fields.get("message_id", "<1@shop.example.com>")
    for name, value in fields.get("headers", {}).items():
        mail[name] = value
    mail.set_content(fields.get("text", TEXT))
    if html := fields.get("html", HTML):
        mail.add_alternative(html, subtype="html")
    for name, kind, data in fields.get("files", [("invoice.pdf", "application/pdf", b"%PDF-1")]):
        main, _, sub = kind.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mail(state: str = State.SENT, kept: bytes | None = None, **fields: Any) -> Message:
    """Store a mail in the log.

    Args:
        state: what became of it.
        kept: its content, where it is kept.
        fields: columns that differ from the usual ones.
    """
    number = Message.objects.count() + 1
    now = timezone.now()
    values: dict[str, Any] = {
        "state": state,
        "created_at": now - timedelta(minutes=5),
        "settled_at": now if state in SETTLED else None,
        "background": True,
        "profile": "shop",
        "app": "shop",
        "caller": "shop.views.OrderView",
        "message_id": f"<{number}@shop.example.com>",
        "from_email": "Example Shop <shop@example.com>",
        "recipients": ["anna@example.org"],
        "subject": "Password reset on Example Shop",
        "size": len(kept or b"") or 2048,
        "attempts_made": 0 if state == State.QUEUED else 1,
        "log": LogLevel.CONTENT if kept else LogLevel.ENVELOPE,
        "recipe": {"from": "Example Shop <shop@example.com>", "sender": "shop@example.com"}
        | {"reply_to": False, "utf8": False},
    } | fields
    words = [*values["recipients"], values["from_email"], values["subject"], values["message_id"]]
    row = Message(**{"search": "\n".join(map(str, words)).lower()} | values)
    if kept is not None:
        content.keep(row, kept)
    row.save()
    return row


def attempt(row: Message, **fields: Any) -> Attempt:
    """Store an attempt at a mail: by default, one that the server accepted."""
    values = {
        "number": row.attempts.count() + 1,
        "seconds": 0.42,
        "profile": "shop",
        "server": "mail.example.com:587",
        "stage": "accepted",
        "outcome": "sent",
        "code": 250,
        "enhanced_code": "2.0.0",
        "reply": "250 2.0.0 Ok: queued as 4XyZ12",
        "accepted": row.recipients,
    } | fields
    return Attempt.objects.create(message=row, **values)


def refusal(address: str, **fields: Any) -> dict[str, Any]:
    """Return what an attempt keeps of a refused recipient."""
    return {
        "address": address,
        "code": 550,
        "enhanced_code": "5.1.1",
        "reply": "550 5.1.1 No such user here",
        "outcome": "failed_recipient",
        "cause": "recipient_unknown",
    } | fields
