"""Large mails through the outbox, and the memory that they take.

Prints, in multiples of one mail's size, how far the peak of the worker's memory rose, with the
contents in files and with the contents in the rows.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from tests.delivery.outbox.postbox import Postbox

from .site import forked, say, set_up

MAILS = 6


def work(folder: Path) -> None:
    """Deliver what is due, and write down how far the peak rose."""
    from mailsetup.delivery.outbox import courier, workers
    from mailsetup.models import Message

    assert Message.objects.count() == MAILS
    before = _peak()
    while courier.work_once(50, worker=workers.identity()):
        pass
    (folder / "rose").write_text(str(_peak() - before))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def store(size: int) -> None:
    from django.core.mail import EmailMessage

    from mailsetup.backends import EmailBackend

    for one in range(MAILS):
        mail = EmailMessage("Hi", "Text", to=["bob@example.com"])
        mail.attach(f"{one}.bin", bytes([one]) * size, "application/octet-stream")
        EmailBackend().send_messages([mail])


def main(folder: Path, attachment: int) -> None:
    # In a process of its own, whose memory does not count.
    box = Postbox()
    set_up(folder, box, timeout=60)
    from mailsetup import conf
    from mailsetup.models import Message

    found = {}
    for place, inline in (("files", 65_536), ("rows", 10**9)):
        conf.DEFAULTS["CONTENT_INLINE"] = inline
        Message.objects.all().delete()
        box.contents.clear()
        assert forked(lambda: store(attachment)) == 0
        assert forked(lambda: work(folder)) == 0
        states = list(Message.objects.values_list("state", flat=True))
        size = Message.objects.first().size
        found[place] = {
            "states": states,
            "rose": int((folder / "rose").read_text()) / size,
            "sizes": [len(one) / size for one in box.contents],
            "files": sum(1 for one in (folder / "content").rglob("*") if one.is_file()),
        }
    say(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
