"""``manage.py mailsetup_purge``: delete what the mail log keeps no longer."""

import argparse
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from mailsetup.delivery.log.purge import Limits, purge
from mailsetup.management.failing import database_failed


class Command(BaseCommand):
    """Delete old messages and contents."""

    help = (
        "Deletes old mails from the log, and old contents, as the settings LOG_DAYS, CONTENT_DAYS, "
        "LOG_ROWS and CONTENT_BYTES say. Mails that wait stay, and so do failed ones that nobody "
        "has dealt with."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take other limits than those of the settings."""
        parser.add_argument("--days", type=_number, help="keep mails for so many days")
        parser.add_argument("--content-days", type=_number, help="keep contents for so many days")
        parser.add_argument("--rows", type=_number, help="keep so many mails at most")
        parser.add_argument("--content-bytes", type=_number, help="keep so much of contents")
        parser.add_argument(
            "--troubled",
            action="store_true",
            help="delete failed mails too that nobody has dealt with",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count; delete nothing")

    def handle(self, **options: Any) -> None:
        """Purge, and print what was deleted."""
        given = {
            name: options[name]
            for name in ("days", "content_days", "rows", "content_bytes")
            if options[name] is not None
        }
        limits = replace(Limits(troubled=options["troubled"]), **given)
        try:
            purged = purge(limits, dry_run=options["dry_run"])
        except DatabaseError as error:
            raise database_failed("The mail log could not be purged", error) from None
        verb = "would be deleted" if options["dry_run"] else "deleted"
        self.stdout.write(
            f"{purged.messages} mails, the contents of {purged.contents} others and {purged.files} "
            f"files of no mail {verb}."
        )


def _number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("it must not be negative")
    return number
