"""A profile in force: whether it may be used, what a draft makes of it, what tells it apart."""

from __future__ import annotations

import time

import pytest

from mailsetup import effective, vault
from mailsetup.effective import Origin, draft, from_row
from mailsetup.exceptions import InvalidProfileError, ProfileInactiveError
from mailsetup.models import SMTPProfile
from tests.effective.conftest import store_with_password as profile

pytestmark = pytest.mark.django_db


def test_a_profile_switched_off_is_not_used():
    profile()
    profile("news", active=False)
    with pytest.raises(ProfileInactiveError, match="“news” is switched off"):
        effective.resolve("news").require_usable()


@pytest.mark.parametrize(
    ("values", "usable"),
    [
        ({"host": "smtp.example.com"}, False),
        ({"host": "smtp.example.com", "allow_plaintext": True}, True),
        ({"host": "localhost"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "::1"}, True),
        ({"host": "smtp.example.com", "login": "none"}, True),
        ({"host": "localhost.example.com"}, False),
    ],
)
def test_a_password_in_clear_needs_consent_off_this_computer(values, usable):
    profile(encryption="none", port=25, **values)
    found = effective.resolve()
    if usable:
        found.require_usable()
    else:
        with pytest.raises(InvalidProfileError, match="unencrypted"):
            found.require_usable()


def test_a_draft_keeps_what_is_locked(monkeypatch):
    profile()
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "locked.example.com")
    fields = {"host": "typed.example.com", "timeout": 3, "password": "x", "provider": "gmail"}
    typed = draft(effective.resolve(), fields, "typed secret")
    assert typed["host"] == "locked.example.com"
    assert typed["timeout"] == 3
    assert typed.values["timeout"].origin == Origin.FORM
    assert typed.secret.reveal() == "typed secret"
    assert typed.provider == "gmail"
    assert effective.resolve()["timeout"] == 15


def test_a_draft_keeps_the_environments_secret(monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "of the environment")
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "smtp.example.com")
    typed = draft(effective.resolve("shop"), {"host": "x.example"}, "typed")
    assert typed.secret.reveal() == "of the environment"


def test_a_tests_fingerprint_differs_with_what_the_test_depends_on(monkeypatch):
    row = profile()
    first = effective.resolve().test_fingerprint
    row.active, row.do_not_send, row.in_flight = False, True, 20
    row.save()
    assert effective.resolve("shop").test_fingerprint == first
    SMTPProfile.objects.update(password_sealed=vault.reseal(row.password_sealed))
    effective.forget()
    assert effective.resolve("shop").test_fingerprint == first
    later = time.time() + 1
    monkeypatch.setattr("cryptography.fernet.time.time", lambda: later)
    row.set_password("another")
    row.save()
    second = effective.resolve("shop").test_fingerprint
    row.host = "other.example.com"
    row.save()
    assert len({first, second, effective.resolve("shop").test_fingerprint}) == 3


def test_a_fingerprint_differs_with_each_value_and_holds_no_secret():
    row = profile()
    first = effective.resolve()
    fields = {name: first[name] for name in first.values if name != "password"}
    seen = {first.fingerprint}
    changes = {"host": "a.example", "port": 1, "timeout": 99, "from_name": "x", "verify": False}
    changes["in_flight"] = 20
    for name, value in changes.items():
        seen.add(draft(first, fields | {name: value}, "").fingerprint)
    seen.add(from_row(None, slug="shop", is_default=False, fallback={"host": "a"}).fingerprint)
    own = {"host": "a", "certfile": "client.pem"}
    seen.add(from_row(None, slug="shop", is_default=False, fallback=own).fingerprint)
    assert len(seen) == len(changes) + 3
    row.set_password("another")
    row.save()
    assert effective.resolve().fingerprint != first.fingerprint


def test_the_site_says_how_many_connections_there_may_be(settings):
    profile()
    assert effective.resolve().account.max_connections == 3
    effective.forget()
    settings.MAILSETUP = {"MAX_CONNECTIONS": 16}
    assert effective.resolve().account.max_connections == 16


def test_the_profile_says_how_many_mails_may_be_in_flight(monkeypatch):
    profile(in_flight=20)
    assert effective.resolve().account.in_flight == 20
    monkeypatch.setenv("MAILSETUP_DEFAULT_IN_FLIGHT", "50")
    effective.forget()
    assert effective.resolve().account.in_flight == 50


def test_djangos_own_settings_keep_one_mail_in_flight(django_account):
    django_account(host="smtp.example.com", username="u", password="p")
    assert effective.resolve().account.in_flight == 1


def test_a_providers_limit_goes_before_the_sites(settings):
    settings.MAILSETUP = {"MAX_CONNECTIONS": 16}
    profile(provider="microsoft365")
    assert effective.resolve().account.max_connections == 3


def test_every_origin_has_a_label():
    assert all(origin.label for origin in Origin)


def test_no_secret_is_shown(django_account):
    profile()
    django_account(host="smtp.example.com", username="u", password="settings-canary")
    snapshot = effective.snapshot
    for found in (effective.resolve(), snapshot._from_settings(None, snapshot._fresh())):
        shown = repr(found) + repr(vars(found)) + repr(found.account)
        assert "canary" not in shown
