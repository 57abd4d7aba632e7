"""``manage.py mailsetup_generate_key``: print a new key for MAILSETUP_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand

from mailsetup import vault


class Command(BaseCommand):
    """Print a new key."""

    help = "Prints a new key for MAILSETUP_KEYS. Nothing is stored or changed."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        """Print the key alone, so that it can be piped."""
        self.stdout.write(vault.generate_key())
