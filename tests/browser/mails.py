"""Puts mails into the log of a running demo: ``python -m tests.browser.mails usual|hostile``.

A process of its own with the demo's settings, because contents are sealed with the demo's keys.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.site import Site

ROOT = Path(__file__).resolve().parents[2]
# Closes whatever it could stand in, then runs, loads, leads away and looks up names.
HOSTILE = (
    "\"'>--></textarea></script></title></style></iframe><script>alert(1)</script>"
    '<img src="x:" onerror="alert(2)"><svg onload="alert(3)"></svg>'
)
PAGE = (
    "<html><head><base href='https://evil.example/'>"
    "<meta http-equiv='refresh' content='0;url=https://evil.example/refresh'>"
    "<link rel='stylesheet' href='https://evil.example/style.css'>"
    "<link rel='preconnect' href='https://evil.example'>"
    "<style>@import 'https://evil.example/import.css'; p {background: url(//evil.example/bg)} "
    "@font-face {font-family: x; src: url(https://evil.example/font)}</style></head>"
    "<body onload='alert(4)'><p style='background: url(https://evil.example/inline)'>Read me</p>"
    "<script>alert(5)</script><script src='https://evil.example/x.js'></script>"
    "<img src='https://evil.example/pixel' srcset='https://evil.example/2x 2x' onerror=alert(6)>"
    "<iframe src='https://evil.example/frame'></iframe><iframe srcdoc='<script>alert(7)</script>'>"
    "</iframe><object data='https://evil.example/object'></object><embed src='//evil.example/e'>"
    "<video src='https://evil.example/v' autoplay></video><audio src='//evil.example/a' autoplay>"
    "</audio><form action='https://evil.example/form'><input name='a'><button>Go</button></form>"
    "<a href='javascript:alert(8)'>one</a> <a href='https://evil.example/link' "
    "ping='//evil.example'>two</a><math><mtext><img src=x onerror=alert(9)></mtext></math>"
    "<table background='https://evil.example/table'><tr><td>cell</td></tr></table></body></html>"
)


def put(site: Site, kind: str) -> dict[str, int]:
    """Put mails into the log of a site; return their keys by state."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, kind],
        cwd=ROOT,
        env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        | {"DEMO_DIR": str(site.directory), "DJANGO_SETTINGS_MODULE": "config.demo.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {state: int(key) for state, key in map(str.split, done.stdout.splitlines())}


def usual() -> list[object]:
    """Store a mail in each state, with attempts."""
    from django.utils import timezone

    from mailsetup.models import State
    from tests import mails

    far = timezone.now() + timedelta(days=2)
    rows = []
    for state in State:
        row = mails.mail(
            state,
            mails.octets(),
            due_at=far,
            needs_attention=state in {State.FAILED, State.AMBIGUOUS, State.SET_ASIDE},
            reason="" if state == State.SENT else "The server said so.",
            recipients=[f"{name}@a-rather-long-name.example.org" for name in ("anna", "ben", "c")],
            claimed_until=far,
            app="config",
            caller="config.mails.send_confirmation (view OrderView)",
        )
        mails.attempt(row, stage="recipient", outcome="retry", code=451, reply="451 4.7.1 Later")
        mails.attempt(row, refused=[mails.refusal("ben@a-rather-long-name.example.org")])
        rows.append(row)
    return rows


def hostile() -> list[object]:
    """Store mails whose every text would like to run a script."""
    from django.utils import timezone

    from mailsetup.models import ProfileState, State
    from tests import mails

    far = timezone.now() + timedelta(days=2)
    texts = {"subject": HOSTILE, "from_email": HOSTILE, "app": HOSTILE[:100], "caller": HOSTILE}
    texts |= {"reason": HOSTILE, "profile": HOSTILE[:50]}
    files = [
        (HOSTILE.replace("/", "_"), "text/html", PAGE.encode()),
        ("a.svg", "image/svg+xml", b"<svg/>"),
    ]
    rows = []
    for state in (State.FAILED, State.QUEUED, State.SENDING):
        row = mails.mail(
            state,
            mails.octets(text=HOSTILE, html=PAGE, files=files, headers={"X-Words": HOSTILE}),
            message_id=f"<{state}{HOSTILE}>"[:255],
            recipients=[HOSTILE, "anna@example.org"],
            needs_attention=True,
            due_at=far,
            claimed_until=far,
            **texts,
        )
        words = {"reply": HOSTILE, "error": HOSTILE, "server": HOSTILE[:200], "cause": "<b>x</b>"}
        refused = [mails.refusal(HOSTILE, reply=HOSTILE, enhanced_code=HOSTILE, cause=HOSTILE)]
        mails.attempt(
            row,
            stage="recipient",
            outcome="failed_recipient",
            profile=HOSTILE[:50],
            refused=refused,
            accepted=[HOSTILE],
            **words,
        )
        mails.attempt(row, stage="<b>x</b>", outcome="<b>x</b>", enhanced_code="<b>", **words)
        rows.append(row)
    ProfileState.objects.create(slug=HOSTILE[:50], held_until=far, held_reason=HOSTILE)
    return rows


if __name__ == "__main__":
    import django

    django.setup()
    for stored in {"usual": usual, "hostile": hostile}[sys.argv[1]]():
        sys.stdout.write(f"{stored.state} {stored.pk}\n")
