"""Administrators, what they type, and servers to test against."""

from __future__ import annotations

import re

import django
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from mailsetup import effective
from mailsetup.admin import trouble
from mailsetup.models import SMTPProfile, State
from tests import mails
from tests.backend_servers import (  # noqa: F401 - fixtures
    _plain,
    _starttls,
    _tls,
    authority,
    plain_server,
    server,
    store,
    tls_server,
)

# Distinct in every encoding that a page could hide it in.
CANARY = "canary&<Bí'mật>%41+/ 7f3a"

TEXTS = ("provider", "host", "encryption", "port", "login", "username", "from_email", "from_name")
TEXTS += ("ca", "return_path", "reply_to", "ehlo_name", "timeout", "slug")
TEXTS += ("sending", "on_ambiguous", "in_flight", "log")
BOXES = ("allow_plaintext", "force_from_email", "force_from_name", "verify", "active")
BOXES += ("is_default", "do_not_send")


@pytest.fixture(autouse=True)
def _nothing_in_memory():
    effective.forget()
    trouble.forget()
    yield
    trouble.forget()
    effective.forget()


@pytest.fixture
def administrator(db):
    return User.objects.create_superuser("ann", "ann@example.com", "ann's word")


@pytest.fixture
def client(administrator):
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def profile(db):
    """A stored profile that nothing listens for."""
    row = SMTPProfile(slug="shop", host="mail.example.com", username="shop@example.com")
    row.set_password(CANARY)
    row.save()
    return row


@pytest.fixture
def stored(db, server):  # noqa: F811
    """A stored profile for the server with STARTTLS."""
    return store(server, host="localhost")


@pytest.fixture
def site_settings(settings):
    """Let the site's own settings name a server, as its version of Django has them."""

    def give(**options):
        options = {
            "host": "mail.settings.example",
            "port": 587,
            "username": "shop@example.com",
            "password": CANARY,
            "use_tls": True,
        } | options
        if django.VERSION >= (6, 1):
            backend = "mailsetup.backends.EmailBackend"
            settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
            return
        names = {"host": "HOST", "username": "HOST_USER", "password": "HOST_PASSWORD"}
        for name, value in options.items():
            setattr(settings, f"EMAIL_{names.get(name, name.upper())}", value)

    return give


def url(page: str, *args) -> str:
    return reverse(f"admin:mailsetup_smtpprofile_{page}", args=args)


def person(*permissions: str, staff: bool = True) -> Client:
    """Return a client signed in as somebody with these permissions on profiles."""
    user = User.objects.create_user(
        f"user{User.objects.count()}", "bob@example.com", "bob's word", is_staff=staff
    )
    names = [f"{name}_smtpprofile" for name in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def typed(row: SMTPProfile | None = None, /, **changes) -> dict[str, str]:
    """Return what a browser sends for the form of a row, or of a new profile, with changes."""
    row = row or SMTPProfile(host="mail.example.com", username="shop@example.com")
    data = {}
    for name in TEXTS:
        data[name] = str(getattr(row, name))
    for name in BOXES:
        data[name] = getattr(row, name)
    data |= {"password": ""} | changes
    # A box that is not ticked is not sent.
    return {
        name: "on" if value is True else value for name, value in data.items() if value is not False
    }


def errors(response) -> dict[str, list[str]]:
    """Return the errors of the form that a page shows again."""
    assert response.status_code == 200, response
    return dict(response.context["adminform"].form.errors)


def text(response) -> str:
    """Return the words of a page, without its markup."""
    page = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", page)


def messages(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def row(db):
    """A mail that failed at its second attempt, its content kept."""
    row = mails.mail(State.FAILED, mails.octets(), needs_attention=True, attempts_made=2)
    mails.attempt(
        row,
        stage="recipient",
        outcome="retry",
        code=451,
        enhanced_code="4.7.1",
        reply="451 4.7.1 Please come back later",
        error="The server refused the recipients for now.",
        cause="greylisted",
        accepted=[],
    )
    mails.attempt(
        row,
        stage="recipient",
        outcome="failed_recipient",
        seconds=2.5,
        code=550,
        enhanced_code="5.1.1",
        reply="No such user here",
        accepted=["ben@example.org"],
        refused=[mails.refusal("anna@example.org")],
    )
    return row
