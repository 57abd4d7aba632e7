"""A mail that ends its worker as it is made ready, among others.

Prints how many workers ended, the states of the rows and what the server accepted.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

from tests.delivery.outbox.postbox import Postbox

from .site import forked, say, set_up

OTHERS = 12


def work() -> None:
    """Work until nothing is due, or until the bad mail comes."""
    from mailsetup.delivery import content
    from mailsetup.delivery.outbox import courier, workers

    thaw = content.thaw

    def thaw_or_end(row, effective):
        if row.subject == "bad":
            os._exit(1)
        return thaw(row, effective)

    content.thaw = thaw_or_end
    while courier.work_once(50, worker=workers.identity()):
        pass


def main(folder: Path) -> None:
    box = Postbox()
    set_up(folder, box)
    from django.core.mail import EmailMessage
    from django.utils import timezone

    from mailsetup.backends import EmailBackend
    from mailsetup.delivery.outbox import sweep
    from mailsetup.models import Message

    subjects = ["bad" if one == 3 else "good" for one in range(OTHERS + 1)]
    EmailBackend().send_messages(
        [EmailMessage(one, "Text", to=["bob@example.com"]) for one in subjects]
    )
    ended = 0
    waits = []
    while Message.objects.filter(state="queued").exists() and ended < 10:
        ended += forked(work)
        sweep.sweep()
        now = timezone.now()
        bad = Message.objects.get(subject="bad")
        waits.append(max(0.0, (bad.due_at - now).total_seconds()))
        Message.objects.filter(state="queued").update(due_at=now - timedelta(seconds=1))
    result = {
        "ended": ended,
        "waits": waits,
        "bad": Message.objects.get(subject="bad").state,
        "good": list(Message.objects.filter(subject="good").values_list("state", flat=True)),
        "accepted": len(box.accepted),
        "different": len(set(box.accepted)),
    }
    say(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
