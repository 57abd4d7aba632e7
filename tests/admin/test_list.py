"""The list, the panel above it, the app's page, and the import of the site's settings."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from mailsetup.models import SMTPProfile
from tests.admin.conftest import CANARY, messages, text, url


def test_empty_list_says_how_to_begin(client):
    page = text(client.get(url("changelist")))
    assert "No mail account is set up." in page
    assert "Three steps to the first mail" in page
    assert "Import" not in page


def test_list_shows_server_marks_and_test(client, profile):
    SMTPProfile.objects.create(
        slug="quiet", host="x.example", login="none", do_not_send=True, active=False
    )
    page = text(client.get(url("changelist")))
    assert "shop default" in page
    assert "mail.example.com:587, STARTTLS" in page
    assert "never tested" in page
    assert "quiet do not send not active" in page
    assert "Three steps" not in page


def test_sending_in_the_background_is_told_of_each_profile(client, profile):
    page = text(client.get(url("changelist")))
    assert "in the background" not in page
    profile.sending = SMTPProfile.Sending.BACKGROUND
    profile.save()
    page = text(client.get(url("changelist")))
    # Once in what sends now, once in the list.
    assert page.count("in the background") == 2
    assert "shop default in the background" in page


def test_background_of_the_environment_is_told(client, profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_SENDING", "background")
    assert text(client.get(url("changelist"))).count("in the background") == 2


def test_values_in_force_are_listed_and_not_the_rows(client, profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_PORT", "2587")
    assert "mail.example.com:2587" in text(client.get(url("changelist")))


def test_list_asks_the_database_no_more_for_more_profiles(
    client, profile, django_assert_max_num_queries
):
    for number in range(20):
        SMTPProfile.objects.create(slug=f"p{number}", host="x.example", login="none")
    with django_assert_max_num_queries(20):
        client.get(url("changelist"))


def test_apps_page_links_to_the_test(client, profile):
    page = client.get(reverse("admin:app_list", args=["mailsetup"])).content.decode()
    assert url("test") in page
    assert "Send a test email" in page


def test_deleted_default_leaves_the_next_one(client, profile):
    SMTPProfile.objects.create(slug="second", host="x.example", login="none")
    client.post(url("delete", profile.pk), {"post": "yes"})
    assert SMTPProfile.objects.get().is_default


def delete(client, *rows, **data):
    chosen = {"action": "delete_selected", "_selected_action": [row.pk for row in rows]}
    return client.post(url("changelist"), chosen | data, follow=True)


@pytest.mark.parametrize("by_action", [False, True])
def test_deletion_of_the_default_names_the_next_one(client, profile, by_action):
    SMTPProfile.objects.create(slug="quiet", host="x.example", login="none", active=False)
    SMTPProfile.objects.create(slug="second", host="x.example", login="none")
    page = url("delete", profile.pk)
    asked = delete(client, profile) if by_action else client.get(page)
    assert "“second” will be the default then" in text(asked)
    done = (
        delete(client, profile, post="yes")
        if by_action
        else client.post(page, {"post": "yes"}, follow=True)
    )
    assert any("“second” is the default profile now" in message for message in messages(done))
    assert SMTPProfile.objects.get(is_default=True).slug == "second"


def test_deletion_of_another_profile_says_nothing_of_the_default(client, profile):
    row = SMTPProfile.objects.create(slug="second", host="x.example", login="none")
    pages = [delete(client, row), delete(client, row, post="yes"), client.get(url("changelist"))]
    assert not any("default profile" in message for page in pages for message in messages(page))


def test_import_makes_the_default_profile(client, site_settings, settings):
    site_settings()
    settings.DEFAULT_FROM_EMAIL = "Tea Shop <shop@example.com>"
    listed = client.get(url("changelist"))
    assert "mail.settings.example:587, STARTTLS" in text(listed)
    assert "Import from the site's settings" in listed.content.decode().replace("&#x27;", "'")
    response = client.post(url("import"), follow=True)
    row = SMTPProfile.objects.get()
    assert (row.host, row.encryption, row.login) == (
        "mail.settings.example",
        "starttls",
        "password",
    )
    assert (row.from_email, row.from_name) == ("shop@example.com", "Tea Shop")
    assert row.is_default
    assert row.get_password() == CANARY
    assert CANARY not in response.content.decode()
    assert LogEntry.objects.get().is_addition()
    assert response.redirect_chain[-1][0] == url("change", row.pk)


def test_import_of_a_server_without_login(client, site_settings):
    site_settings(username="", password="", use_tls=False, port=25)
    client.post(url("import"))
    row = SMTPProfile.objects.get()
    assert (row.login, row.password_sealed, row.allow_plaintext) == ("none", "", False)


def test_import_leaves_a_client_certificate_and_says_so(client, site_settings):
    site_settings(ssl_certfile="/etc/cert.pem", ssl_keyfile="/etc/key.pem")
    response = client.post(url("import"), follow=True)
    assert any("client certificate" in message for message in messages(response))


def test_import_of_what_cannot_be_used_says_why(client, site_settings):
    site_settings(host="mail settings")
    response = client.post(url("import"), follow=True)
    assert "no blanks" in messages(response)[0]
    assert not SMTPProfile.objects.exists()


def test_import_with_a_broken_key_stores_nothing(client, site_settings, settings):
    site_settings()
    settings.MAILSETUP_KEYS = ["no key"]
    response = client.post(url("import"), follow=True)
    assert "MAILSETUP_KEYS" in messages(response)[0]
    assert not SMTPProfile.objects.exists()


def test_second_import_is_not_made(client, site_settings, profile):
    site_settings()
    response = client.post(url("import"), follow=True)
    assert "nothing to import" in messages(response)[0]
    assert SMTPProfile.objects.count() == 1
