"""The profile's own rules: one default, a revision, a secret tied to its place."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from mailsetup.exceptions import SecretUnavailableError
from mailsetup.models import ProfilesVersion, SMTPProfile
from mailsetup.models.profile import Destination
from tests.backend_servers import PASSWORD

pytestmark = pytest.mark.django_db


def profile(slug="shop", **values):
    row = SMTPProfile(slug=slug, **({"host": "smtp.example.com"} | values))
    row.save()
    return row


def default_slugs():
    return [*SMTPProfile.objects.filter(is_default=True).values_list("slug", flat=True)]


def test_the_defaults_are_the_safe_ones():
    row = SMTPProfile()
    assert (row.port, row.encryption, row.login, row.verify) == (587, "starttls", "password", True)
    assert (row.active, row.is_default, row.do_not_send, row.timeout) == (True, False, False, 15)
    assert not row.allow_plaintext
    assert (row.on_ambiguous, row.in_flight) == ("hold", 1)


def test_the_first_active_profile_becomes_the_default():
    profile("off", active=False)
    assert default_slugs() == []
    profile("first")
    profile("second")
    assert default_slugs() == ["first"]


def test_a_new_default_takes_the_place_of_the_old():
    profile("first")
    profile("second", is_default=True)
    assert default_slugs() == ["second"]
    first = SMTPProfile.objects.get(slug="first")
    first.is_default = True
    first.save(update_fields=["is_default"])
    assert default_slugs() == ["first"]


@pytest.mark.skipif(connection.vendor == "mysql", reason="has no conditional constraints")
def test_the_database_admits_one_default_only():
    profile("first")
    profile("second")
    with pytest.raises(IntegrityError), transaction.atomic():
        SMTPProfile.objects.update(is_default=True)


def test_the_last_default_stays_one():
    row = profile()
    row.is_default = False
    row.save()
    assert default_slugs() == ["shop"]


def test_the_default_must_be_active():
    row = profile()
    row.active = False
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert [*caught.value.message_dict] == ["active"]


def test_the_name_default_belongs_to_the_default():
    profile()
    with pytest.raises(ValidationError) as caught:
        SMTPProfile(slug="default", host="smtp.example.com").full_clean()
    assert [*caught.value.message_dict] == ["slug"]
    SMTPProfile(slug="default", host="smtp.example.com", is_default=True).clean()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "smtp://smtp.example.com"),
        ("host", ""),
        ("port", 0),
        ("port", 70000),
        ("encryption", "ssl"),
        ("login", "guess"),
        ("username", "ann\r\nRSET"),
        ("from_email", "no address"),
        ("from_name", "Ann\nBcc: x"),
        ("return_path", "Ann <a@example.com>"),
        ("reply_to", "a@"),
        ("ehlo_name", "two words"),
        ("ca", "no certificate"),
        ("timeout", 0),
        ("timeout", 301),
        ("in_flight", 0),
        ("in_flight", 51),
        ("slug", "two words"),
    ],
)
def test_a_wrong_value_is_an_error_at_its_field(field, value):
    row = SMTPProfile(**({"slug": "shop", "host": "smtp.example.com"} | {field: value}))
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert [*caught.value.message_dict] == [field]


@pytest.mark.parametrize("value", [1, 50])
def test_the_ends_of_the_range_of_mails_in_flight_are_in_it(value):
    SMTPProfile(slug="shop", host="smtp.example.com", in_flight=value).full_clean()


def test_every_save_moves_the_revision_and_the_mark():
    row = profile()
    marks = {ProfilesVersion.current(connection)}
    for fields in (None, ["host"]):
        row.save(update_fields=fields)
        marks.add(ProfilesVersion.current(connection))
    assert SMTPProfile.objects.get().revision == 3
    SMTPProfile.objects.update(host="other.example.com")
    marks.add(ProfilesVersion.current(connection))
    assert len(marks) == 4
    SMTPProfile.objects.filter(slug="absent").update(host="x.example.com")
    assert ProfilesVersion.current(connection) in marks


def test_a_deletion_moves_the_mark_and_finds_a_new_default():
    first = profile("first")
    profile("off", active=False)
    second = profile("second")
    before = ProfilesVersion.current(connection)
    first.delete()
    assert ProfilesVersion.current(connection) != before
    assert default_slugs() == ["second"]
    second.delete()
    assert default_slugs() == []


def test_profiles_come_back_from_a_fixture(tmp_path):
    row = profile(username="ann", login="password")
    row.set_password(PASSWORD)
    row.save()
    path = tmp_path / "profiles.json"
    call_command("dumpdata", "mailsetup.smtpprofile", output=str(path), verbosity=0)
    assert PASSWORD not in path.read_text()
    SMTPProfile.objects.all().delete()
    before = ProfilesVersion.current(connection)
    call_command("loaddata", str(path), verbosity=0)
    assert SMTPProfile.objects.get().get_password() == PASSWORD
    assert ProfilesVersion.current(connection) != before


def test_a_password_is_sealed_and_removed():
    row = SMTPProfile(slug="shop", host="smtp.example.com")
    row.set_password(PASSWORD)
    assert PASSWORD not in repr(vars(row))
    assert row.get_password() == PASSWORD
    row.set_password("")
    assert row.password_sealed == ""
    with pytest.raises(SecretUnavailableError):
        row.get_password()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "evil.example.com"),
        ("port", 25),
        ("encryption", "tls"),
        ("verify", False),
        ("ca", "-----BEGIN CERTIFICATE-----"),
        ("username", "eve"),
        ("login", "none"),
    ],
)
def test_each_part_of_the_destination_holds_the_secret(name, value):
    row = SMTPProfile(slug="shop", host="smtp.example.com", username="ann")
    row.set_password(PASSWORD)
    setattr(row, name, value)
    with pytest.raises(SecretUnavailableError) as caught:
        row.get_password()
    assert caught.value.changed == (name,)
    assert {*Destination._fields} == {
        "host",
        "port",
        "encryption",
        "verify",
        "ca",
        "username",
        "login",
    }


def test_another_profile_does_not_open_the_secret():
    row = SMTPProfile(slug="shop", host="smtp.example.com")
    row.set_password(PASSWORD)
    row.uuid = uuid.uuid4()
    with pytest.raises(SecretUnavailableError) as caught:
        row.get_password()
    assert caught.value.changed == ("profile",)


def test_a_secret_can_be_sealed_for_the_destination_in_force():
    row = SMTPProfile(slug="shop", host="smtp.example.com")
    elsewhere = row.destination()._replace(host="other.example.com")
    row.set_password(PASSWORD, elsewhere)
    assert row.get_password(elsewhere) == PASSWORD
    with pytest.raises(SecretUnavailableError):
        row.get_password()


def test_spelling_is_no_other_destination():
    row = SMTPProfile(slug="shop", host="smtp.example.com", ca="pem\n")
    row.set_password(PASSWORD)
    row.host, row.ca = "SMTP.Example.com.", " pem"
    assert row.get_password() == PASSWORD


@pytest.mark.django_db(transaction=True)
def test_profiles_saved_at_once_leave_one_default():
    failures = []

    def save(number):
        try:
            profile(f"p{number}", is_default=number % 2 == 0)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert SMTPProfile.objects.count() == 6
    assert len(default_slugs()) == 1
