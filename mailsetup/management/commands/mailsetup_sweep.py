"""``manage.py mailsetup_sweep``: free what ended workers left, for cron."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import translation

from mailsetup.delivery.outbox import engines
from mailsetup.delivery.outbox.sweep import Swept, sweep
from mailsetup.delivery.outbox.worker import Worker
from mailsetup.management.failing import database_failed


class Command(BaseCommand):
    """Sweep, and have what is due delivered."""

    help = (
        "Frees the mails that ended workers had claimed, ends those whose time is over, and tells "
        "the engine of what is due. For cron, once a minute, where nothing else sweeps."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to deliver."""
        parser.add_argument(
            "--deliver", action="store_true", help="deliver what is due, here and now"
        )

    def handle(self, **options: Any) -> None:
        """Sweep, and print what was found."""
        try:
            swept = sweep()
        except DatabaseError as error:
            raise database_failed("The waiting mails cannot be read", error) from None
        with translation.override("en"):
            self.stdout.write(_told(swept))
            if options["deliver"]:
                self._deliver()
            else:
                engines.wake(swept.due)

    def _deliver(self) -> None:
        worker = Worker(
            threads=1, batch=engines.BATCH, drain=True, tell=lambda tally: None, every=60.0
        )
        worker.run()
        if worker.error is not None:
            raise CommandError(f"Not all was worked on: {worker.error}")
        self.stdout.write(f"{worker.tally().done} worked on.")


def _told(swept: Swept) -> str:
    return (
        f"{swept.freed} freed, {swept.ambiguous} of which nobody knows whether they arrived, "
        f"{swept.set_aside} set aside, {swept.expired} expired, {swept.due} due."
    )
