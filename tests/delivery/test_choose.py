"""Which account a mail goes out by."""

from __future__ import annotations

import django
import pytest

from mailsetup.delivery.choose import choose
from mailsetup.effective import Origin
from mailsetup.exceptions import (
    InvalidProfileError,
    NoProfileError,
    ProfileNotFoundError,
    SecretUnavailableError,
)
from mailsetup.models import SMTPProfile
from mailsetup.smtp.account import Secret

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:The EMAIL_")]
OURS = "mailsetup.backends.EmailBackend"
mailers = pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")


@pytest.fixture
def shop():
    row = SMTPProfile(slug="shop", host="smtp.example.com", username="ann@example.com")
    row.set_password("stored")
    row.save()
    return row


@pytest.fixture
def old_settings(settings):
    """The settings as a site has them that knows no MAILERS."""
    if django.VERSION >= (6, 1):
        del settings.MAILERS
    return settings


def test_no_name_is_the_default_profile(shop):
    assert choose(None).slug == "shop"
    assert choose("shop").slug == "shop"
    assert choose(None, arguments=dict.fromkeys(["host", "username", "password"])).slug == "shop"


def test_an_unknown_name_is_an_error(shop):
    with pytest.raises(ProfileNotFoundError):
        choose("news")


def test_a_profile_and_a_server_of_its_own_contradict_each_other(shop):
    with pytest.raises(InvalidProfileError, match="“shop” and a server of its own"):
        choose("shop", arguments={"host": "h.example"})


def test_nothing_at_all_is_an_error():
    with pytest.raises(NoProfileError):
        choose(None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"host": "h.example"}, ("h.example", 25, "none")),
        ({"host": "h.example", "port": 2525}, ("h.example", 2525, "none")),
        ({"use_tls": True}, ("localhost", 25, "starttls")),
        ({"use_ssl": True, "port": 465}, ("localhost", 465, "tls")),
        ({"port": 2525}, ("localhost", 2525, "none")),
    ],
)
def test_a_host_port_or_encryption_makes_an_account_of_its_own(
    shop, old_settings, arguments, expected
):
    found = choose(None, arguments=arguments)
    assert (found["host"], found["port"], found["encryption"]) == expected
    assert found.slug == ""
    assert found["login"] == "none"
    found.require_usable()


def test_an_account_of_its_own_takes_the_rest_from_djangos_settings(old_settings, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_HOST", "env.example")
    old_settings.EMAIL_HOST_USER, old_settings.EMAIL_HOST_PASSWORD = "u", "p"
    old_settings.EMAIL_TIMEOUT = 7
    found = choose(None, arguments={"host": "h.example"})
    assert (found["host"], found["username"], found["timeout"]) == ("h.example", "u", 7)
    assert found.secret.reveal() == "p"


def test_two_accounts_of_their_own_are_two_to_the_pool(old_settings):
    def key(**arguments):
        return choose(None, arguments={"host": "h.example"} | arguments).account.key

    def login(password):
        return {"username": "u", "password": Secret(password)}

    keys = [
        key(),
        key(port=26),
        key(**login("one")),
        key(**login("two")),
        key(ssl_certfile="client.pem"),
    ]
    assert len({*keys}) == 5
    assert key(**login("one")) == keys[2]


def test_a_given_username_and_password_take_the_profiles_place(shop):
    found = choose(None, arguments={"username": "bob", "password": Secret("given")})
    assert (found.slug, found["host"], found["username"]) == ("shop", "smtp.example.com", "bob")
    assert found.values["username"].origin == Origin.SETTINGS
    assert found.secret.reveal() == "given"
    assert found.account.key != choose(None).account.key


def test_a_given_username_mends_a_profile_without_one(monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "mail.example.com")
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "p")
    with pytest.raises(InvalidProfileError):
        choose("shop", arguments={}).require_usable()
    found = choose("shop", arguments={"username": "u"})
    found.require_usable()
    assert (found["login"], found["username"], found.secret.reveal()) == ("password", "u", "p")


def test_a_given_password_alone_keeps_the_username(shop):
    found = choose("shop", arguments={"password": Secret("given")})
    assert found["username"] == "ann@example.com"
    assert found.secret.reveal() == "given"


def test_another_username_does_not_get_the_stored_password(shop):
    found = choose(None, arguments={"username": "eve"})
    with pytest.raises(SecretUnavailableError, match="username") as caught:
        found.secret.reveal()
    assert caught.value.changed == ("username",)
    same = choose(None, arguments={"username": "ann@example.com"})
    assert same.secret.reveal() == "stored"


def test_a_given_timeout_takes_the_profiles_place(shop):
    assert choose(None, arguments={"timeout": 3.5}).account.timeout == 3.5


@pytest.mark.parametrize("arguments", [{"username": ""}, {"password": Secret("")}])
def test_an_empty_username_or_password_means_no_login(shop, arguments):
    assert choose(None, arguments=arguments)["login"] == "none"


@mailers
def test_a_profile_outranks_the_options_of_the_default_mailer(settings, shop):
    options = {"host": "h.example", "username": "u", "password": "p"}
    settings.MAILERS = {
        "default": {"BACKEND": OURS, "OPTIONS": options},
        "news": {"BACKEND": OURS, "OPTIONS": options},
    }
    arguments = options | {"password": Secret("p"), "port": None}
    assert choose(None, alias="default", arguments=arguments).slug == "shop"
    # Another mailer's options are of the site's own choice.
    assert choose(None, alias="news", arguments=arguments)["host"] == "h.example"
    # And so is what code passes over the options.
    other = arguments | {"host": "other.example"}
    assert choose(None, alias="default", arguments=other)["host"] == "other.example"
    shop.delete()
    assert choose(None, alias="default", arguments=arguments)["host"] == "h.example"
    assert choose(None, alias="default", arguments=arguments).secret.reveal() == "p"


@mailers
def test_a_mailer_without_a_server_stands_for_the_default_one(settings):
    settings.MAILERS = {
        "default": {"BACKEND": OURS, "OPTIONS": {"host": "h.example"}},
        "error-reports": {"BACKEND": OURS, "OPTIONS": {"fail_silently": True}},
    }
    assert choose(None, alias="error-reports")["host"] == "h.example"


@mailers
def test_a_mailers_port_follows_from_its_encryption(settings):
    settings.MAILERS = {"default": {"BACKEND": OURS}}
    found = choose(None, alias="other", arguments={"host": "h.example", "use_tls": True})
    assert found["port"] == 587
