"""``mailsetup_worker`` with two places at which it can be met, in a process of its own.

Where a trap is set it stops after a claim, or between the server's 250 and the commit of what came
of the message: before that is written, or after, by turns. Everything else is what ships.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import django
from django.core.management import call_command
from django.db import transaction

from .traps import Traps, from_environment


class Caught(threading.local):
    """The trap in which a thread has to stay before it commits."""

    name = ""


def prepare(traps: Traps) -> None:
    """Put the two places in."""
    from mailsetup.delivery.outbox import claims, journal  # noqa: PLC0415 - once Django is set up

    claims._claim = _with_stop_after(claims._claim, traps)
    caught = Caught()
    journal.Journal._write = _with_stop_before(journal.Journal._write, traps, caught)
    journal.run = _with_stop_inside(journal.run, traps, caught)


def _with_stop_after(claim_some: Callable[..., Any], traps: Traps) -> Callable[..., Any]:
    def claim(*arguments: Any, **named: Any) -> Any:
        made = claim_some(*arguments, **named)
        if made is not None:
            first = made.rows[0]
            name = f"{first.requested}.example claimed"
            if traps.spring(name, pid=os.getpid(), recipient=first.recipients[0]):
                traps.stay(name)
        return made

    return claim


def _with_stop_before(
    write: Callable[..., int], traps: Traps, caught: Caught
) -> Callable[..., int]:
    def write_pending(self: Any, *more: Any) -> int:
        pending = self._pending
        if pending and pending[-1].judged is None:
            row = pending[-1].row
            name = f"{row.requested}.example settling"
            if traps.spring(name, pid=os.getpid(), recipient=row.recipients[0]):
                if row.pk % 2:
                    traps.stay(name)
                else:
                    caught.name = name
        return write(self, *more)

    return write_pending


def _with_stop_inside(run: Callable[..., int], traps: Traps, caught: Caught) -> Callable[..., int]:
    def run_statements(statements: Any, database: str) -> int:
        name = caught.name
        if not name:
            return run(statements, database)
        caught.name = ""
        with transaction.atomic(using=database):
            met = run(statements, database)
            traps.stay(name)
        return met

    return run_statements


if __name__ == "__main__":
    django.setup()
    prepare(from_environment())
    call_command("mailsetup_worker", *sys.argv[1:])
