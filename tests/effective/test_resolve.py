"""Environment over row over Django's settings over default, each value with its origin."""

from __future__ import annotations

import django
import pytest
from django.utils import translation

from mailsetup import effective
from mailsetup.effective import Origin
from mailsetup.exceptions import (
    InvalidProfileError,
    NoProfileError,
    ProfileNotFoundError,
    SecretUnavailableError,
)
from mailsetup.models import SMTPProfile
from mailsetup.smtp.account import Encryption, Login
from tests.backend_servers import PASSWORD
from tests.effective.conftest import store_with_password as profile

pytestmark = pytest.mark.django_db


def test_a_row_serves_with_defaults():
    profile()
    found = effective.resolve()
    assert found.slug == "shop"
    assert found["host"] == "smtp.example.com"
    assert found.values["host"].origin == Origin.DATABASE
    assert found.values["password"].value is None
    assert found.values["password"].origin == Origin.DATABASE
    assert found.secret.reveal() == PASSWORD
    account = found.account
    assert (account.port, account.encryption, account.login) == (
        587,
        Encryption.STARTTLS,
        Login.PASSWORD,
    )
    assert account.in_flight == 1
    assert found.locked == {}
    assert not found.problems


def test_the_environment_outranks_the_row(monkeypatch):
    profile()
    monkeypatch.setenv("MAILSETUP_SHOP_FROM_NAME", "Shop")
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "from the environment")
    found = effective.resolve("shop")
    assert found["from_name"] == "Shop"
    assert found.values["from_name"].variable == "MAILSETUP_SHOP_FROM_NAME"
    assert found.secret.reveal() == "from the environment"
    assert found.locked == {
        "from_name": "MAILSETUP_SHOP_FROM_NAME",
        "password": "MAILSETUP_SHOP_PASSWORD",
    }
    assert found.values["host"].origin == Origin.DATABASE


def test_the_default_profile_hears_default_too_its_own_name_first(monkeypatch):
    profile()
    profile("news", host="news.example.com")
    monkeypatch.setenv("MAILSETUP_DEFAULT_FROM_NAME", "general")
    monkeypatch.setenv("MAILSETUP_DEFAULT_TIMEOUT", "20")
    monkeypatch.setenv("MAILSETUP_SHOP_FROM_NAME", "exact")
    found = effective.resolve()
    assert (found["from_name"], found["timeout"]) == ("exact", 20)
    assert effective.resolve("news")["timeout"] == 15
    assert effective.resolve("default").slug == "shop"


def test_a_bad_general_variable_gives_way_to_the_profiles_own(monkeypatch):
    profile()
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "many")
    assert [one.variable for one in effective.resolve().problems] == ["MAILSETUP_DEFAULT_PORT"]
    effective.forget()
    monkeypatch.setenv("MAILSETUP_SHOP_PORT", "2525")
    assert not effective.resolve().problems
    assert effective.resolve()["port"] == 2525


def test_a_profile_of_the_environment_needs_no_row(monkeypatch):
    monkeypatch.setenv("MAILSETUP_NEWS_HOST", "news.example.com")
    monkeypatch.setenv("MAILSETUP_NEWS_USERNAME", "ann@example.com")
    monkeypatch.setenv("MAILSETUP_NEWS_PASSWORD", " $ecret ")
    found = effective.resolve("news")
    assert not found.from_database
    assert found.secret.reveal() == " $ecret "
    assert found["login"] == "password"
    assert found.values["port"].origin == Origin.DEFAULT
    assert found.from_email == "ann@example.com"
    with pytest.raises(NoProfileError):
        effective.resolve()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("starttls", 587, "none")),
        ({"PORT": "465"}, ("tls", 465, "none")),
        ({"PORT": "25"}, ("starttls", 25, "none")),
        ({"ENCRYPTION": "tls"}, ("tls", 465, "none")),
        ({"ENCRYPTION": "none"}, ("none", 25, "none")),
        ({"USERNAME": "u"}, ("starttls", 587, "password")),
        ({"PASSWORD": "p"}, ("starttls", 587, "password")),
        ({"USERNAME": "u", "LOGIN": "none"}, ("starttls", 587, "none")),
    ],
)
def test_what_the_environment_leaves_out_follows_from_the_rest(monkeypatch, variables, expected):
    for name, value in ({"HOST": "h.example"} | variables).items():
        monkeypatch.setenv(f"MAILSETUP_DEFAULT_{name}", value)
    found = effective.resolve()
    assert (found["encryption"], found["port"], found["login"]) == expected


def test_djangos_settings_serve_while_there_is_no_profile(django_account):
    django_account(
        host="smtp.example.com", port=465, use_ssl=True, username="u@x.org", password="p"
    )
    found = effective.resolve(alias="default" if django.VERSION >= (6, 1) else None)
    assert found.slug == ""
    assert (found["host"], found["port"], found["encryption"]) == ("smtp.example.com", 465, "tls")
    assert found.values["host"].origin == Origin.SETTINGS
    assert found.values["verify"].origin == Origin.DEFAULT
    assert found.values["password"].value is None
    assert found.secret.reveal() == "p"
    profile()
    assert effective.resolve().slug == "shop"


def test_an_account_without_a_name_hears_no_variable(django_account, monkeypatch):
    django_account(host="smtp.example.com")
    monkeypatch.setenv("MAILSETUP__HOST", "other.example.com")
    assert effective.resolve()["host"] == "smtp.example.com"


def test_with_nothing_at_all_the_error_tells_where_to_go():
    with pytest.raises(NoProfileError, match=r"in the admin.*MAILSETUP_DEFAULT_URL"):
        effective.resolve()


def test_an_unknown_name_is_told_with_the_known_ones():
    profile()
    profile("news")
    with pytest.raises(ProfileNotFoundError, match=r"“marketing”.*are: news, shop\."):
        effective.resolve("marketing")


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("HOST", "evil.example.com", "host"),
        ("PORT", "25", "port"),
        ("ENCRYPTION", "tls", "encryption"),
        ("VERIFY", "no", "verify"),
        ("USERNAME", "eve@example.com", "username"),
        ("LOGIN", "none", "login"),
    ],
)
def test_a_destination_changed_by_a_variable_closes_the_secret(monkeypatch, variable, value, name):
    profile()
    monkeypatch.setenv(f"MAILSETUP_SHOP_{variable}", value)
    with pytest.raises(SecretUnavailableError, match="Enter the password again") as caught:
        effective.resolve("shop").secret.reveal()
    assert caught.value.changed == (name,)


def test_a_changed_authority_closes_the_secret(monkeypatch, tmp_path, authority):
    profile()
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    monkeypatch.setenv("MAILSETUP_SHOP_CA_FILE", str(path))
    with pytest.raises(SecretUnavailableError) as caught:
        effective.resolve("shop").secret.reveal()
    assert caught.value.changed == ("ca",)


def test_a_copied_row_does_not_open_the_secret():
    row = profile()
    copy = SMTPProfile(slug="copy", host=row.host, username=row.username)
    copy.password_sealed = row.password_sealed
    copy.save()
    with pytest.raises(SecretUnavailableError, match="for another profile"):
        effective.resolve("copy").secret.reveal()


def test_spelling_of_the_host_is_no_other_destination():
    row = profile()
    row.host = "SMTP.example.com."
    row.save()
    assert effective.resolve().secret.reveal() == PASSWORD


def test_a_row_without_a_password_says_so():
    SMTPProfile(slug="shop", host="smtp.example.com", username="ann").save()
    with pytest.raises(SecretUnavailableError, match="has no password"):
        effective.resolve().secret.reveal()


def test_a_row_spoilt_past_the_form_is_not_used():
    row = profile()
    SMTPProfile.objects.filter(pk=row.pk).update(host="smtp.example.com\r\nX", encryption="ssl")
    found = effective.resolve()
    assert {one.field for one in found.problems} == {"host", "encryption"}
    with pytest.raises(InvalidProfileError):
        found.require_usable()


@pytest.mark.parametrize("value", [0, 1000])
def test_mails_in_flight_past_the_form_are_a_problem_and_bring_nothing_down(value):
    row = profile()
    SMTPProfile.objects.filter(pk=row.pk).update(in_flight=value)
    found = effective.resolve()
    assert found.account.in_flight == value
    with pytest.raises(InvalidProfileError, match=r"^mails in flight: .* from 1 to 50\.$"):
        found.require_usable()


def test_problems_are_told_in_the_readers_language(monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "many")
    with translation.override("vi"):
        effective.resolve()
    (problem,) = effective.resolve().problems
    assert problem.message == "Use a number from 1 to 65535."


@pytest.mark.django_db
def test_a_login_without_a_username_is_a_problem(monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "smtp.example.com")
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "p")
    with pytest.raises(InvalidProfileError, match="username: The username is missing"):
        effective.resolve("shop").require_usable()
    monkeypatch.setenv("MAILSETUP_SHOP_LOGIN", "none")
    effective.forget()
    effective.resolve("shop").require_usable()
