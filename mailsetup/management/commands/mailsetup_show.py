"""``manage.py mailsetup_show``: print the settings in force, each with where it comes from."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from mailsetup import effective
from mailsetup.effective import Effective, Origin
from mailsetup.exceptions import ConfigurationError, SecretUnavailableError
from mailsetup.management.failing import reader_may_leave

# Of fixed length: the mask tells that there is a secret, not how long it is.
MASK = "********"


class Command(BaseCommand):
    """Print the settings in force, secrets masked."""

    help = "Prints the mail settings in force and where each value comes from; secrets are masked."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the profile's name."""
        parser.add_argument("--profile", metavar="NAME", help="by default: every profile")

    def handle(self, **options: Any) -> None:
        """Print one profile, or all of them."""
        with translation.override("en"):
            try:
                slugs = [options["profile"]]
                if not options["profile"]:
                    slugs = effective.known_slugs() + effective.environment_slugs()
                with reader_may_leave(self.stdout):
                    for slug in slugs or [None]:
                        self._show(effective.resolve(slug))
            except ConfigurationError as error:
                raise CommandError(str(error)) from None

    def _show(self, found: Effective) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(found.slug or "the site's own settings"))
        unusable = {problem.field for problem in found.problems if problem.variable}
        for name, value in found.values.items():
            if name in unusable:
                text = "(the variable cannot be used)"
            else:
                text = self._password(found) if name == "password" else _shown(name, value.value)
            origin = value.variable or value.origin.label
            self.stdout.write(f"  {name:<16} {text:<40} {origin}")
        for problem in found.problems:
            self.stdout.write(
                self.style.ERROR(f"  {problem.variable or problem.field}: {problem.message}")
            )

    def _password(self, found: Effective) -> str:
        if found["login"] == "none":
            return "(none)"
        try:
            found.secret.reveal()
        except SecretUnavailableError:
            stored = found.values["password"].origin == Origin.DATABASE
            return "(enter the password again)" if stored else "(none)"
        except ConfigurationError as error:
            return f"({error})"
        return MASK


def _shown(name: str, value: Any) -> str:
    if name == "ca" and value:
        return f"(PEM text, {len(value)} characters)"
    return "" if value in {None, ""} else str(value)
