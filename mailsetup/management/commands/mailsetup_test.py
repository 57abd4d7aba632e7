"""``manage.py mailsetup_test``: send a test mail, or only connect and log in."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import translation

from mailsetup import effective
from mailsetup.delivery import manage
from mailsetup.delivery.testmail import TestResult, run_test, site_name
from mailsetup.exceptions import ConfigurationError
from mailsetup.management.failing import reader_may_leave
from mailsetup.models.validators import validate_address


class Command(BaseCommand):
    """Send a test mail; the exit status is 0 where the server took it, 1 where not."""

    help = "Sends a test mail through a profile. The exit status tells whether it went."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the recipient and the profile."""
        parser.add_argument("--to", metavar="ADDRESS", help="who gets the test mail")
        parser.add_argument("--profile", metavar="NAME", help="by default the default profile")
        parser.add_argument(
            "--check-only", action="store_true", help="connect and log in, send nothing"
        )
        parser.add_argument("--plain", action="store_true", help="send plain text, no HTML")
        parser.add_argument(
            "--conversation", action="store_true", help="print what was said, secrets masked"
        )

    def handle(self, **options: Any) -> None:
        """Run the test and tell how it ended."""
        to = options["to"] or ""
        if not to and not options["check_only"]:
            raise CommandError("Say who gets the mail: --to name@example.com (or --check-only).")
        try:
            if to:
                validate_address(to)
            profile = effective.resolve(options["profile"])
        except ValidationError as error:
            raise CommandError(f"--to: {error.messages[0]}") from None
        except ConfigurationError as error:
            raise CommandError(str(error)) from None
        result = run_test(
            profile,
            to=to,
            html=not options["plain"],
            site_name=site_name(),
            language=translation.get_language() or settings.LANGUAGE_CODE,
            check_only=options["check_only"],
        )
        if profile.slug:
            # A profile of the environment can be tested before there are tables.
            with suppress(DatabaseError):
                manage.remember_test(profile, passed=result.passed, stage=result.stage)
        logs_in = profile["login"] != "none"
        self._report(result, to, logs_in=logs_in, conversation=options["conversation"])

    def _report(self, result: TestResult, to: str, *, logs_in: bool, conversation: bool) -> None:
        if conversation and result.transcript is not None:
            with reader_may_leave(self.stdout):
                self.stdout.write(result.transcript.text())
        if not result.passed:
            stage = f" at the stage “{result.stage}”" if result.stage else ""
            raise CommandError(f"The test failed{stage}: {result.error}")
        if result.dropped:
            raise CommandError("Nothing was sent: the profile is set to “do not send”.")
        how = result.tls_version or "no encryption"
        if result.check_only:
            done = "Connected and logged in" if logs_in else "Connected; the profile has no login"
            text = f"{done} ({how}, {result.seconds:.1f} s). Nothing was sent."
        else:
            text = f"Test mail to {to} was accepted ({how}, {result.seconds:.1f} s): {result.reply}"
        with reader_may_leave(self.stdout):
            self.stdout.write(self.style.SUCCESS(text))
