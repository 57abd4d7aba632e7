"""Databases that `migrate` has still to reach: without the app's tables, or with older ones."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from mailsetup import effective


def migrate(*target: str) -> None:
    call_command("migrate", "mailsetup", *target, verbosity=0)
    effective.forget()


@pytest.fixture
def unmigrated(transactional_db):
    """A site whose app was just installed: every table is there but its own."""
    migrate("zero")
    yield
    migrate()


@pytest.fixture
def outdated(transactional_db):
    """A site whose app was just updated: the code knows a column that the table lacks."""
    first = MigrationRecorder.Migration.objects.filter(app="mailsetup", name="0001_initial")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE mailsetup_smtpprofile RENAME COLUMN ehlo_name TO away")
    first.delete()
    effective.forget()
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE mailsetup_smtpprofile RENAME COLUMN away TO ehlo_name")
    MigrationRecorder(connection).record_applied("mailsetup", "0001_initial")
    effective.forget()
