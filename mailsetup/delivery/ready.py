"""Tells, before a worker begins, what no waiting mends: settings, keys, tables."""

from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError

from mailsetup import vault
from mailsetup.delivery.content import content_storage
from mailsetup.models.tables import unapplied_migrations

MIGRATE = "The tables are not ready. Run: manage.py migrate"


def require_ready() -> None:
    """Check that mails can be worked on as the site is configured.

    A database that does not answer is no reason to end: it may come back.

    Raises:
        ImproperlyConfigured: the settings of the database or of the storage cannot be used, a key
            in ``MAILSETUP_KEYS`` is none, or the tables are missing or older than the code.
    """
    vault.seal("", bound_to={})
    content_storage()
    with suppress(InterfaceError):
        if unapplied_migrations():
            raise ImproperlyConfigured(MIGRATE)
