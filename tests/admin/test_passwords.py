"""A stored password belongs to its destination, and leaves the server for nowhere else."""

import pytest
from cryptography.fernet import Fernet

from mailsetup.models import SMTPProfile
from tests.admin.conftest import CANARY, errors, messages, text, typed, url

CHANGES = {
    "host": {"host": "evil.example"},
    "port": {"port": "2525"},
    "encryption": {"encryption": "tls"},
    "verify": {"verify": False},
    "ca": {},
    "username": {"username": "other@example.com"},
}


def change(client, row, **fields):
    return client.post(url("change", row.pk), typed(row, **fields))


@pytest.mark.parametrize("field", CHANGES)
def test_changed_destination_asks_for_the_password_again(client, profile, authority, field):
    changes = CHANGES[field] or {"ca": authority.cert_pem.bytes().decode()}
    sealed = profile.password_sealed
    found = errors(change(client, profile, **changes))
    label = str(SMTPProfile._meta.get_field(field).verbose_name)
    assert "Enter the password again" in found["password"][0]
    assert label in found["password"][0]
    profile.refresh_from_db()
    assert profile.password_sealed == sealed
    assert profile.host == "mail.example.com"


@pytest.mark.parametrize("field", CHANGES)
def test_changed_destination_with_the_password_is_saved(client, profile, authority, field):
    changes = CHANGES[field] or {"ca": authority.cert_pem.bytes().decode()}
    response = change(client, profile, password="new", **changes)
    assert response.status_code == 302
    profile.refresh_from_db()
    assert profile.get_password() == "new"


def test_kind_of_login_there_and_back_opens_for_the_first_destination_only(client, profile):
    assert change(client, profile, login="none").status_code == 302
    profile.refresh_from_db()
    back = errors(change(client, profile, login="password", host="evil.example"))
    assert "Enter the password again" in back["password"][0]


@pytest.mark.parametrize(
    "fields", [{"from_name": "Shop"}, {"timeout": "20"}, {"host": "MAIL.example.com."}]
)
def test_empty_password_keeps_the_stored_one(client, profile, fields):
    assert change(client, profile, **fields).status_code == 302
    profile.refresh_from_db()
    assert profile.get_password() == CANARY


def test_removed_password_is_gone(client, profile):
    change(client, profile, remove_password=True)
    profile.refresh_from_db()
    assert profile.password_sealed == ""


def test_removing_and_typing_at_once_is_refused(client, profile):
    found = errors(change(client, profile, remove_password=True, password="new"))
    assert "not both" in found["password"][0]


def test_variable_that_changes_the_destination_asks_again(client, profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "evil.example")
    page = text(client.get(url("change", profile.pk)))
    assert "Enter the password again: it was entered for other settings (SMTP host)." in page
    assert "Enter the password again" in errors(change(client, profile))["password"][0]


def test_copy_asks_again_and_does_not_take_the_password_along(client, profile):
    data = typed(profile, slug="copy", _saveasnew="x", is_default=False)
    found = errors(client.post(url("change", profile.pk), data))
    assert "a copy does not take it along" in found["password"][0]
    client.post(url("change", profile.pk), data | {"password": "new"})
    copy = SMTPProfile.objects.get(slug="copy")
    assert copy.uuid != profile.uuid
    assert copy.get_password() == "new"


def test_sealed_text_copied_to_another_row_does_not_open(client, profile):
    other = SMTPProfile.objects.create(
        slug="other",
        host=profile.host,
        username=profile.username,
        password_sealed=profile.password_sealed,
    )
    assert "Enter the password again" in text(client.get(url("change", other.pk)))


def test_lost_key_is_told_on_every_page(client, profile, settings):
    settings.SECRET_KEY = "another key"
    client.force_login(profile_user())
    for page in (url("change", profile.pk), url("changelist"), url("test")):
        response = client.get(page)
        assert response.status_code == 200
        assert "nter the password again" in text(response)
    assert "Enter the password again" in errors(change(client, profile))["password"][0]
    assert change(client, profile, password="new").status_code == 302


@pytest.mark.parametrize("quiet", [{"do_not_send": True}, {"active": False, "is_default": False}])
def test_lost_key_is_no_obstacle_where_nothing_is_sent(client, profile, settings, quiet):
    settings.SECRET_KEY = "another key"
    client.force_login(profile_user())
    sealed = profile.password_sealed
    response = client.post(url("change", profile.pk), typed(profile, **quiet), follow=True)
    profile.refresh_from_db()
    assert all(getattr(profile, name) == value for name, value in quiet.items())
    assert profile.password_sealed == sealed
    assert any("has to be entered again" in message for message in messages(response))
    found = errors(change(client, profile, do_not_send=False, active=True))
    assert "Enter the password again" in found["password"][0]


def test_key_that_is_none_is_told_and_nothing_is_saved(client, profile, settings):
    settings.MAILSETUP_KEYS = ["no key"]
    for page in (url("change", profile.pk), url("changelist"), url("test")):
        assert "MAILSETUP_KEYS" in text(client.get(page))
    found = errors(change(client, profile, password="new"))
    assert "MAILSETUP_KEYS" in found["password"][0]
    response = client.post(url("change", profile.pk), typed(profile, password="new", _test="x"))
    assert "MAILSETUP_KEYS" in errors(response)["password"][0]


def test_password_sealed_by_an_older_key_is_kept(client, profile, settings):
    settings.MAILSETUP_KEYS = [Fernet.generate_key().decode()]
    assert change(client, profile, from_name="Shop").status_code == 302
    profile.refresh_from_db()
    assert profile.get_password() == CANARY


def profile_user():
    from django.contrib.auth.models import User

    return User.objects.get(username="ann")
