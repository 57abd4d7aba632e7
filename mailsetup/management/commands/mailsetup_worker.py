"""``manage.py mailsetup_worker``: deliver mails in the background."""

import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from mailsetup.delivery.outbox.engines import BATCH
from mailsetup.delivery.outbox.worker import Tally, Worker
from mailsetup.delivery.ready import require_ready

# Seconds between two lines: in a terminal, where each takes the place of the one before, and in a
# log.
SHOW, LOG = 1.0, 60.0


class Command(BaseCommand):
    """Deliver until SIGTERM or SIGINT, or until nothing is due."""

    help = (
        "Delivers mails in the background, until it is stopped. SIGTERM and Ctrl-C finish the "
        "mails under way and begin no new one. Any number of workers may run."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of threads, the size of a batch, and when to end."""
        parser.add_argument(
            "--threads", type=_count, default=2, metavar="N", help="that deliver; by default 2"
        )
        parser.add_argument(
            "--batch",
            type=_count,
            default=BATCH,
            metavar="N",
            help=f"mails that a thread takes on at once, at most; by default {BATCH}",
        )
        parser.add_argument(
            "--drain", action="store_true", help="end as soon as nothing is due any more"
        )
        parser.add_argument("--quiet", action="store_true", help="print no progress")

    def handle(self, **options: Any) -> None:
        """Work, and tell how far it is."""
        try:
            require_ready()
        except ImproperlyConfigured as error:
            raise CommandError(f"No mail can be delivered. {error}") from None
        quiet = options["quiet"]
        in_terminal = self.stdout.isatty()
        worker = Worker(
            threads=options["threads"],
            batch=options["batch"],
            drain=options["drain"],
            tell=(lambda tally: None) if quiet else Progress(self, in_terminal=in_terminal),
            every=SHOW if in_terminal else LOG,
        )
        with translation.override("en"):
            if not quiet:
                self.stdout.write(f"Delivering with {options['threads']} threads: {worker.name}")
                # A log is a file or a pipe, whose lines Python would hold back.
                self.stdout.flush()
            with _stopped_by_signals(worker):
                worker.run()
            if worker.error is not None:
                raise CommandError(f"Not all was worked on: {worker.error}")
            if not quiet:
                self.stdout.write(("\n" if in_terminal else "") + f"Ended. {told(worker.tally())}")


class Progress:
    """Prints how far a worker is: over the line before in a terminal, else where it has changed."""

    def __init__(self, command: BaseCommand, *, in_terminal: bool) -> None:
        self.command = command
        self.in_terminal = in_terminal
        self.last = Tally()

    def __call__(self, tally: Tally) -> None:
        """Print a line."""
        seconds = tally.seconds - self.last.seconds
        rate = (tally.done - self.last.done) / seconds if seconds > 0 else 0.0
        line = f"{told(tally)} {rate:.0f} a second."
        if self.in_terminal:
            self.command.stdout.write(f"\r{line}\x1b[K", ending="")
        elif replace(tally, seconds=self.last.seconds) != self.last:
            self.command.stdout.write(line)
        self.command.stdout.flush()
        self.last = tally


def told(tally: Tally) -> str:
    """Return a tally in words."""
    waiting = "" if tally.waiting is None else f", {tally.waiting:,} waiting"
    return f"{tally.sent:,} sent, {tally.failed:,} failed{waiting}."


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("a number from 1 on")
    return number


@contextmanager
def _stopped_by_signals(worker: Worker) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the worker; a second one does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        # Python lets no other thread handle signals.
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, _frame: object) -> None:
        worker.stop()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
