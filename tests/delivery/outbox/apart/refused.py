"""A wrong password, 1,000 mails, and four worker processes, as they ship.

Prints how often AUTH was said, and the rows' states: after the first refusal, after the second, and
after the password was mended.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from tests.delivery.outbox.postbox import Postbox

from .site import say, set_up

MAILS = 1_000
WORKERS = 4


def look(box: Postbox) -> dict:
    from mailsetup.models import Message

    states = Counter(Message.objects.values_list("state", flat=True))
    return {"auth": box.commands.get("AUTH", 0), "states": dict(states)}


def wait(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def main(folder: Path) -> None:
    box = Postbox()
    box.rules = {"AUTH": "535 5.7.8 Username and password not accepted"}
    set_up(folder, box)
    from django.core.mail import EmailMessage
    from django.utils import timezone

    from mailsetup.backends import EmailBackend
    from mailsetup.models import Message, ProfileState, SMTPProfile

    EmailBackend().send_messages(
        [EmailMessage("Hi", str(one), to=["bob@example.com"]) for one in range(MAILS)]
    )
    found = []
    command = [sys.executable, "-m", "django", "mailsetup_worker", "--quiet"]
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(WORKERS)]
    try:
        held = ProfileState.objects.filter(refusals=1, held_until__isnull=False)
        wait(held.exists)
        # Longer than each worker waits before it looks again.
        time.sleep(3)
        found.append(look(box))
        ProfileState.objects.update(held_until=timezone.now() - timedelta(seconds=1))
        wait(ProfileState.objects.filter(stopped_at__isnull=False).exists)
        time.sleep(3)
        found.append(look(box))
        box.rules = {}
        profile = SMTPProfile.objects.get()
        profile.set_password("another")
        profile.save()
        Message.objects.update(due_at=timezone.now())
        wait(lambda: not Message.objects.exclude(state="sent").exists())
        found.append(look(box) | {"accepted": len(set(box.accepted))})
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
    say(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
