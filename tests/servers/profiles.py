"""Fixtures: the site sends by mailsetup, and a profile that leads to the test Postfix."""

from __future__ import annotations

from collections.abc import Callable

import django
import pytest

from .certificates import Certificates
from .dovecot import DOMAIN, USERS
from .postfix import Postfix

__all__ = ["make_profile", "profile", "site_sends_by_mailsetup"]

USER = "an"
# The ways in that a site uses, and the encryption of each.
GUARDED = {"submission": "starttls", "smtps": "tls"}


@pytest.fixture
def site_sends_by_mailsetup(settings):
    """Give the site its own mail settings, which the test runner replaces."""
    from config import settings as site

    if django.VERSION >= (6, 1):
        settings.MAILERS = site.MAILERS
    else:
        settings.EMAIL_BACKEND = site.EMAIL_BACKEND


@pytest.fixture
def make_profile(postfix: Postfix, certificates: Certificates, db: None) -> Callable:
    """Return a function that stores a profile for Postfix; keywords change its fields."""
    from mailsetup.models import SMTPProfile

    def make(service: str = "submission", *, password: str = USERS[USER], **values) -> SMTPProfile:
        values = {
            "slug": "shop",
            "host": "localhost",
            "port": postfix.ports[service],
            "encryption": GUARDED[service],
            "ca": certificates.ca,
            "username": f"{USER}@{DOMAIN}",
            "from_email": f"{USER}@{DOMAIN}",
        } | values
        profile = SMTPProfile(**values)
        profile.set_password(password)
        profile.full_clean()
        profile.save()
        return profile

    return make


@pytest.fixture
def profile(make_profile: Callable):
    """The default profile: Postfix by STARTTLS and login."""
    return make_profile()
