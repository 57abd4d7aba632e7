"""A few mails, and a worker that ends at its n-th call of socket or database: for each n.

Prints a list with, for each n: what the call was; how often the server had accepted each mail, and
the rows' states, when the worker's claims had been freed; and both when all that waited had gone.
"""

from __future__ import annotations

import os
import socket
import sys
from datetime import timedelta
from pathlib import Path

from tests.delivery.outbox.postbox import Postbox

from .site import forked, say, set_up


class Countdown:
    """Ends the process at a call, right after it was done."""

    def __init__(self, calls: int, tell: int) -> None:
        self.left = calls
        self.tell = tell

    def around(self, function, name: str):
        def call(*arguments, **named):
            result = function(*arguments, **named)
            self.count(name)
            return result

        return call

    def count(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            os.write(self.tell, name.encode())
            os._exit(1)

    def execute(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        self.count(" ".join(sql.split()[:2]))
        return result


def work(calls: int, tell: int) -> None:
    """Deliver what is due, and end at that call."""
    from django.db import connection
    from django.db.backends.base.base import BaseDatabaseWrapper

    from mailsetup.delivery.outbox import courier, workers

    countdown = Countdown(calls, tell)
    for name in ("connect", "send", "sendall", "recv", "recv_into"):
        # A method of C is inherited; one of our own stands before it.
        setattr(
            socket.socket, name, countdown.around(getattr(socket.socket, name), f"socket {name}")
        )
    BaseDatabaseWrapper._commit = countdown.around(BaseDatabaseWrapper._commit, "COMMIT")
    with connection.execute_wrapper(countdown.execute):
        while courier.work_once(10, worker=workers.identity()):
            pass


def look(box: Postbox, ids: list[str]) -> dict[str, list]:
    from mailsetup.models import Message

    rows = {row.message_id: row for row in Message.objects.filter(message_id__in=ids)}
    return {
        "states": [rows[one].state for one in ids],
        "accepted": [box.accepted.count(one) for one in ids],
    }


def round_of(n: int, box: Postbox, number: int) -> dict | None:
    """Kill at the n-th call; None where there are not so many."""
    from django.core.mail import EmailMessage
    from django.utils import timezone

    from mailsetup.backends import EmailBackend
    from mailsetup.delivery.outbox import courier, sweep, workers
    from mailsetup.models import Lease, Message, ProfileState

    for model in (Message, ProfileState, Lease):
        model.objects.all().delete()
    mails = [EmailMessage("Hi", str(one), to=["bob@example.com"]) for one in range(number)]
    EmailBackend().send_messages(mails)
    ids = list(Message.objects.order_by("pk").values_list("message_id", flat=True))
    reading, writing = os.pipe()
    code = forked(lambda: work(n, writing))
    os.close(writing)
    name = os.read(reading, 200).decode()
    os.close(reading)
    if code == 0:
        return None
    assert code == 1, code
    sweep.sweep()
    result = {"call": name, "then": look(box, ids)}
    for _ in range(3):
        past = timezone.now() - timedelta(seconds=1)
        Message.objects.filter(state="queued").update(due_at=past)
        while courier.work_once(10, worker=workers.identity()):
            pass
        sweep.sweep()
    return result | {"at last": look(box, ids)}


def main(folder: Path, policy: str, in_flight: int, number: int) -> None:
    box = Postbox(("PIPELINING", "CHUNKING") if in_flight > 1 else ("PIPELINING",))
    set_up(folder, box, on_ambiguous=policy, in_flight=in_flight)
    found = []
    while (one := round_of(len(found) + 1, box, number)) is not None:
        found.append(one)
    say(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
