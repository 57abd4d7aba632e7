"""``manage.py mailsetup_rotate_keys``: seal every stored secret with the first key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from mailsetup.delivery.rotation import rotate_contents
from mailsetup.exceptions import ConfigurationError
from mailsetup.management.failing import database_failed
from mailsetup.models.rotation import rotate_secrets


class Command(BaseCommand):
    """Seal every stored secret again with the first key of MAILSETUP_KEYS."""

    help = (
        "Seals every stored mail password, and every kept mail, again with the first key of "
        "MAILSETUP_KEYS. "
        "Afterwards the older keys can be taken away. Safe while the site runs."
    )
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        """Rotate, and name the profiles whose password has to be entered again."""
        try:
            result = rotate_secrets()
            contents = rotate_contents()
        except ConfigurationError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise database_failed("What is stored cannot be read", error) from None
        self.stdout.write(
            f"{result.rotated} sealed anew, {result.current} had the first key already."
        )
        if contents.rotated or contents.current:
            self.stdout.write(
                f"Kept mails: {contents.rotated} sealed anew, {contents.current} had the first key "
                "already."
            )
        if contents.lost:
            self.stderr.write(f"Kept mails that no key opens: {contents.lost}.")
        if result.lost:
            raise CommandError(
                "No key opens the password of: "
                + ", ".join(result.lost)
                + ". Enter it again in the admin, or bring back the key it was sealed with."
            )
