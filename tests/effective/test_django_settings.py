"""Django's own mail settings, read as its SMTP backend reads them."""

from __future__ import annotations

import django
import pytest

from mailsetup.effective import django_settings
from mailsetup.effective.django_settings import as_fields
from mailsetup.smtp.account import Secret

OURS = "mailsetup.backends.EmailBackend"
mailers = pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")


@pytest.fixture
def old_settings(settings):
    """The settings without MAILERS, as every site has them before Django 6.1."""
    if django.VERSION >= (6, 1):
        del settings.MAILERS
    return settings


@pytest.mark.filterwarnings("ignore:The EMAIL_")
def test_only_what_the_site_sets_counts(old_settings):
    assert django_settings.configured() == {}
    old_settings.EMAIL_TIMEOUT = 5
    assert django_settings.configured() == {}
    old_settings.EMAIL_TIMEOUT = None
    old_settings.EMAIL_PORT = 2525
    # The host has Django's default, as with Django's own backend.
    assert django_settings.configured() == {"port": 2525}
    assert django_settings.as_fields({"port": 2525})["host"] == "localhost"
    old_settings.EMAIL_HOST = "localhost"
    assert django_settings.configured() == {"host": "localhost", "port": 2525}


@pytest.mark.filterwarnings("ignore:The EMAIL_")
def test_every_setting_has_its_option(old_settings):
    values = {
        "EMAIL_HOST": "smtp.example.com",
        "EMAIL_PORT": 465,
        "EMAIL_HOST_USER": "ann",
        "EMAIL_HOST_PASSWORD": "secret",
        "EMAIL_USE_TLS": False,
        "EMAIL_USE_SSL": True,
        "EMAIL_TIMEOUT": 7,
        "EMAIL_SSL_KEYFILE": "key.pem",
        "EMAIL_SSL_CERTFILE": "cert.pem",
    }
    for name, value in values.items():
        setattr(old_settings, name, value)
    assert [*django_settings.configured().values()] == [*values.values()]
    assert [*django_settings.configured()] == [*django_settings.STOCK_OPTIONS]


@mailers
def test_the_options_of_a_mailer_count(settings):
    settings.MAILERS = {
        "default": {"BACKEND": OURS, "OPTIONS": {"host": "smtp.example.com", "timeout": None}},
        "news": {"BACKEND": OURS, "OPTIONS": {"profile": "news"}},
        "bare": {"BACKEND": OURS},
    }
    assert django_settings.uses_mailers()
    assert django_settings.configured() == {"host": "smtp.example.com"}
    assert django_settings.configured("default") == {"host": "smtp.example.com"}
    for alias in ("news", "bare", "absent"):
        assert django_settings.configured(alias) == {}
    assert django_settings.stock_value("use_tls") is False
    assert django_settings.stock_value("host") is None


@pytest.mark.filterwarnings("ignore:The EMAIL_")
def test_before_mailers_a_stock_value_has_its_default(old_settings):
    assert django_settings.stock_value("host") == "localhost"
    assert django_settings.stock_value("port") == 25
    assert django_settings.stock_value("timeout") is None
    assert django_settings.email_backend()


@pytest.mark.parametrize(
    ("options", "alias", "expected"),
    [
        ({}, None, ("localhost", 25, "none", "none")),
        ({"host": "h", "use_tls": True}, None, ("h", 25, "starttls", "none")),
        ({"host": "h", "use_tls": True}, "default", ("h", 587, "starttls", "none")),
        ({"host": "h", "use_ssl": True}, "default", ("h", 465, "tls", "none")),
        ({"host": "h", "port": "2525"}, "default", ("h", 2525, "none", "none")),
        ({"username": "u", "password": "p"}, "default", ("localhost", 25, "none", "password")),
        ({"username": "u"}, "default", ("localhost", 25, "none", "none")),
        ({"password": "p"}, "default", ("localhost", 25, "none", "none")),
    ],
)
@pytest.mark.filterwarnings("ignore:The EMAIL_")
def test_options_become_fields(old_settings, options, alias, expected):
    fields = as_fields(options, alias=alias)
    assert tuple(fields[name] for name in ("host", "port", "encryption", "login")) == expected
    assert isinstance(fields["password"], Secret)
    assert fields["allow_plaintext"] is True


def test_a_secret_stays_the_same_secret():
    secret = Secret("p")
    assert as_fields({"password": secret}, alias="default")["password"] is secret
