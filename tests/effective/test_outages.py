"""While the database fails, or is not there yet, what is known otherwise serves."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError, connection, transaction

from mailsetup import effective
from mailsetup.exceptions import (
    NoProfileError,
    ProfileNotFoundError,
    SettingsUnavailableError,
)
from mailsetup.models import ProfilesVersion
from tests.effective.conftest import store as profile


@pytest.fixture
def database_down(monkeypatch):
    """Return a function after which the profiles cannot be read."""

    def down(error=None):
        def fail(connection):
            raise error or OperationalError("could not connect to server")

        monkeypatch.setattr(ProfilesVersion, "current", fail)

    return down


@pytest.mark.django_db(transaction=True)
def test_the_last_good_profiles_serve_while_the_database_fails(impatient, database_down, caplog):
    profile()
    first = effective.resolve()
    database_down()
    with caplog.at_level(logging.WARNING, "mailsetup"):
        assert effective.resolve() is first
        assert effective.resolve() is first
    (record,) = caplog.records
    assert "the last good ones serve: could not connect" in record.getMessage()


@pytest.mark.django_db(transaction=True)
def test_each_outage_is_told_of_anew(impatient, database_down, caplog, monkeypatch):
    profile()
    effective.resolve()
    with caplog.at_level(logging.WARNING, "mailsetup"):
        for _ in range(2):
            with monkeypatch.context() as patch:
                patch.setattr(ProfilesVersion, "current", _fail)
                effective.resolve()
            effective.resolve()
    assert len(caplog.records) == 2


def _fail(connection):
    raise OperationalError("down")


@pytest.mark.django_db(transaction=True)
def test_with_nothing_in_memory_a_failing_database_is_an_error(database_down):
    profile()
    effective.forget()
    database_down()
    with pytest.raises(SettingsUnavailableError, match="could not connect to server"):
        effective.resolve()


@pytest.mark.django_db(transaction=True)
def test_an_edit_rolled_back_never_serves_as_the_last_good_one(impatient, database_down):
    row = profile()
    effective.forget()
    with transaction.atomic():
        row.host = "never.example.com"
        row.save()
        effective.resolve()
        transaction.set_rollback(True)
    database_down()
    with pytest.raises(SettingsUnavailableError):
        effective.resolve()


@pytest.mark.django_db(transaction=True)
def test_another_error_is_not_taken_for_a_failing_database(database_down):
    database_down(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        effective.resolve()


@pytest.mark.django_db(transaction=True)
def test_before_migrate_the_environment_and_the_settings_serve(monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE mailsetup_profilesversion RENAME TO away")
    try:
        with pytest.raises(NoProfileError):
            effective.resolve()
        monkeypatch.setenv("MAILSETUP_DEFAULT_HOST", "env.example.com")
        effective.forget()
        assert effective.resolve()["host"] == "env.example.com"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO mailsetup_profilesversion")
    profile()
    monkeypatch.delenv("MAILSETUP_DEFAULT_HOST")
    effective.forget()
    assert effective.resolve().slug == "shop"


def test_without_access_to_a_database_the_environment_serves(monkeypatch):
    with pytest.raises(NoProfileError):
        effective.resolve()
    with pytest.raises(ProfileNotFoundError, match="none"):
        effective.resolve("news")
    monkeypatch.setenv("MAILSETUP_NEWS_HOST", "env.example.com")
    assert effective.resolve("news")["host"] == "env.example.com"
