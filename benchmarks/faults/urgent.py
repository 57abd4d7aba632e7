"""One password reset behind many newsletters: how long until the server has it."""

from __future__ import annotations

import re
import time
from datetime import timedelta

from .killing import WORKERS
from .site import Lab

# How many resets are asked for, one after the other.
RESETS = 5
PATIENCE = 120.0


def run(lab: Lab, database: str, mails: int) -> int:
    """Measure, print, and return the exit status: 0 where each was accepted within 5 seconds."""
    _fill(mails)
    for _ in range(WORKERS):
        lab.start_worker()
    _wait(lambda: len(lab.accepted()) > 100)
    seconds = [_reset(lab, nth) for nth in range(RESETS)]
    waiting = mails + RESETS - len(lab.accepted())
    lab.stop_workers()
    words = ", ".join(f"{one:.2f}" for one in seconds)
    print(f"| {database} | {mails:,} | {words} | {waiting:,} |")
    return 0 if max(seconds) <= 5 and waiting > 0 else 1


def _fill(mails: int) -> None:
    """Put that many newsletters into the outbox: one as an app does, then copies of its row."""
    from django.core.mail import EmailMessage  # noqa: PLC0415 - once Django is set up
    from django.utils import timezone  # noqa: PLC0415

    from mailsetup.backends import EmailBackend  # noqa: PLC0415
    from mailsetup.delivery import content  # noqa: PLC0415
    from mailsetup.models import Message  # noqa: PLC0415

    newsletter = EmailMessage(
        "News", "Text " * 200, "shop@example.com", ["0@hold.example"], headers={"Message-ID": "<0>"}
    )
    EmailBackend().send_messages([newsletter])
    model = Message.objects.get()
    frozen = content.read(model)
    rows = []
    for nth in range(1, mails):
        row = Message.objects.model(
            **{
                field.attname: getattr(model, field.attname)
                for field in Message._meta.concrete_fields
                if field.attname not in {"id", "message_id", "content"}
            },
            message_id=f"<{nth}@faults.example>",
        )
        row.due_at = timezone.now() - timedelta(seconds=mails - nth)
        content.keep(row, frozen.replace(b"<0>", row.message_id.encode()))
        rows.append(row)
        if len(rows) == 1_000 or nth == mails - 1:
            Message.objects.bulk_create(rows)
            rows = []


def _reset(lab: Lab, nth: int) -> float:
    """Ask for a password reset as the site's page does; return the seconds until it is accepted."""
    from django.contrib.auth.forms import PasswordResetForm  # noqa: PLC0415
    from django.contrib.auth.models import User  # noqa: PLC0415

    from mailsetup.models import Message  # noqa: PLC0415

    address = f"an{nth}@hold.example"
    User.objects.create_user(f"an{nth}", address, "a password to forget")
    form = PasswordResetForm({"email": address})
    assert form.is_valid()
    began = time.monotonic()
    form.save(domain_override="shop.example", from_email="shop@example.com")
    row = Message.objects.filter(search__contains=address).latest("pk")
    needle = re.compile(re.escape(row.message_id))
    _wait(lambda: bool(needle.search((lab.folder / "accepted").read_text())))
    return time.monotonic() - began


def _wait(condition) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("It took too long.")
        time.sleep(0.02)
