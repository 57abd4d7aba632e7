"""What the tests of the values in force share."""

from __future__ import annotations

import django
import pytest

from mailsetup.models import SMTPProfile
from tests.backend_servers import PASSWORD


def store_with_password(slug="shop", **values):
    """Store a profile that logs in."""
    values = {"host": "smtp.example.com", "username": "ann@example.com"} | values
    row = SMTPProfile(slug=slug, **values)
    row.set_password(PASSWORD)
    row.save()
    return row


def store(slug="shop", **values):
    """Store a profile that needs no login."""
    row = SMTPProfile(slug=slug, **({"host": "one.example.com", "login": "none"} | values))
    row.save()
    return row


@pytest.fixture
def patient(settings):
    """Ask the database hardly ever."""
    settings.MAILSETUP = {"PROBE_SECONDS": 600}


@pytest.fixture
def impatient(settings):
    """Ask the database for the mark at every look-up."""
    settings.MAILSETUP = {"PROBE_SECONDS": 0}


@pytest.fixture
def django_account(settings):
    """Give the site an account by Django's own settings, and return how to add more of them."""

    def give(**options):
        if django.VERSION >= (6, 1):
            backend = "mailsetup.backends.EmailBackend"
            settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
            return
        names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
        for name, value in options.items():
            setattr(settings, f"EMAIL_{names.get(name, name.upper())}", value)

    return give
