"""What the admin shows before `migrate`: which command to run, and no traceback."""

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from mailsetup.models import Message, SMTPProfile
from tests.admin.conftest import person, text, typed, url
from tests.admin.test_log_permissions import TABLE as LOG
from tests.admin.test_log_permissions import address as log_address
from tests.admin.test_permissions import TABLE, address

PAGES = [name for name in TABLE if name is not None]
POST_ONLY = {"import", "resume"}
LOG_PAGES = [name for name in LOG if name is not None]


@pytest.fixture
def unmigrated_row(unmigrated):
    """Stands for a profile in addresses that somebody kept."""
    return SMTPProfile(pk=1, slug="shop", host="mail.example.com")


def assert_tells(response):
    assert response.status_code == 503
    assert "python manage.py migrate" in text(response)
    assert "mailsetup.0001_initial" in text(response)


@pytest.mark.parametrize("name", PAGES)
def test_each_page_names_the_command_before_migrate(unmigrated_row, client, name, site_settings):
    site_settings()
    data = typed() if name in {"add", "change"} else {"post": "yes", "_send": "x"}
    target = address(name, unmigrated_row)
    if name not in POST_ONLY:
        assert_tells(client.get(target))
    assert_tells(client.post(target, data))


@pytest.mark.parametrize("name", LOG_PAGES)
def test_each_page_of_the_log_names_the_command_before_migrate(unmigrated, client, name):
    target = log_address(name, Message(pk=1))
    if name == "add":
        # Nobody may do that, whatever is in the database.
        assert client.get(target).status_code == 403
    elif name == "purge":
        assert_tells(client.post(target, {"days": "30"}))
    elif (response := client.get(target)).status_code != 405:
        assert_tells(response)


def test_each_page_names_the_command_in_a_transaction_of_the_request(
    unmigrated_row, client, monkeypatch
):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    for name in PAGES:
        if name not in POST_ONLY:
            assert_tells(client.get(address(name, unmigrated_row)))


def test_pages_name_the_command_after_an_update(outdated, client):
    assert_tells(client.get(url("changelist")))
    assert_tells(client.get(url("test")))
    # This one asks for the column only to fill it.
    assert_tells(client.post(url("add"), typed(password="p")))


def test_page_is_in_the_readers_language_and_part_of_the_admin(unmigrated, client):
    response = client.get(url("changelist"), headers={"accept-language": "vi"})
    assert "manage.py migrate" in text(response)
    assert "Cơ sở dữ liệu" in text(response)
    assert reverse("admin:index") in response.content.decode()


def test_admins_other_pages_work_before_migrate(unmigrated, client):
    for address_of in ("/admin/", "/admin/mailsetup/", reverse("admin:auth_user_changelist")):
        assert client.get(address_of).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_who_may_not_use_the_admin_is_told_nothing(unmigrated_row, name):
    for stranger in (Client(), person(staff=False)):
        assert stranger.get(address(name, unmigrated_row)).status_code == 302


def test_another_failure_of_the_database_stays_one(client, db, monkeypatch):
    def fail(*args):
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(admin.site._registry[SMTPProfile], "get_queryset", fail)
    with pytest.raises(OperationalError, match="disk I/O error"):
        client.get(url("changelist"))
