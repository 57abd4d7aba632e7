"""The test page, against servers of this process."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mailsetup.models import ProfileState, SMTPProfile
from tests.admin.conftest import CANARY, errors, messages, person, text, typed, url
from tests.backend_servers import PASSWORD, store

SENT = "Test HTML email was sent successfully! Please check your inbox to make sure it is delivered"
SENT_PLAIN = (
    "Test plain text email was sent successfully! "
    "Please check your inbox to make sure it is delivered"
)
PROBLEM = "There was a problem while sending the test email."


def run(client, profile="shop", *, check=False, html=True, **fields):
    data = {"to": "ann@example.com", "profile": profile} | fields
    data |= {"html": "on"} if html else {}
    data["_check" if check else "_send"] = "x"
    return client.post(url("test"), data, follow=True)


def test_success_shows_the_sentence_and_what_the_server_answered(client, stored, server):
    page = text(run(client))
    assert SENT in page
    assert "250 2.0.0 kept" in page
    assert "TLSv1.3" in page
    assert "seconds" in page
    (mail,) = server.mails
    assert mail.recipients == ["ann@example.com"]
    assert mail.parsed.get_body(("html",)) is not None


def test_plain_text_has_its_own_sentence(client, stored, server):
    assert SENT_PLAIN in text(run(client, html=False))
    assert server.mails[0].parsed.get_content_type() == "text/plain"


def test_connection_check_sends_nothing(client, stored, server):
    page = text(run(client, check=True, to=""))
    assert "The connection works. Nothing was sent." in page
    assert server.auth_commands == 1
    assert server.mails == []


def test_reload_shows_the_result_again_and_sends_nothing(client, stored, server):
    response = run(client)
    address = response.redirect_chain[-1][0]
    for _ in range(2):
        assert SENT in text(client.get(address))
    assert len(server.mails) == 1


def test_address_of_the_signed_in_user_is_proposed(client, stored):
    form = client.get(url("test")).context["adminform"].form
    assert form["to"].value() == "ann@example.com"
    assert form["html"].value() is True
    assert form["profile"].value() == "shop"


@pytest.mark.parametrize("to", ["", "nobody", "a@example.com, b@example.com", "a\r\nb@example.com"])
def test_bad_recipient_is_an_error_at_the_field(client, stored, server, to):
    assert "to" in errors(run(client, to=to))
    assert server.connections == 0


def test_unknown_profile_is_refused(client, stored):
    assert "profile" in errors(run(client, "nothing"))


def test_refused_login_shows_stage_answer_and_masked_conversation(client, server):
    store(server, host="localhost", password=CANARY)
    page = run(client)
    words = text(page)
    assert PROBLEM in words
    assert "Failed at the stage “Log in”" in words
    assert "535" in words
    assert "AUTH PLAIN ********" in words
    assert CANARY not in page.content.decode()
    assert "did not accept the username and password" in words


def test_advice_on_a_refused_login_knows_the_provider(client, server):
    store(server, host="localhost", password="wrong", provider="gmail")
    page = text(run(client))
    assert "app password" in page
    assert "https://myaccount.google.com/apppasswords" in page


def test_refused_recipient_and_content(client, stored, server):
    server.refused = {"ann@example.com": "550 5.1.1 <script>alert(1)</script>"}
    page = run(client)
    assert "Failed at the stage “Recipient”" in text(page)
    assert "<script>alert" not in page.content.decode()
    server.reset()
    server.refuse_content = "554 5.7.1 spam\u202eevil"
    page = run(client)
    assert "Failed at the stage “Content”" in text(page)
    assert "\u202e" not in page.content.decode()


def test_wrong_encryption_is_told_at_its_stage(client, server):
    store(server, host="localhost", encryption="tls", timeout=2)
    assert "Failed at the stage “Encrypt”" in text(run(client))
    assert server.auth_commands == 0


def test_unknown_host_and_closed_port(client, server):
    store(server, host="nothing.invalid")
    assert "Failed at the stage “Find the server”" in text(run(client))
    store(server, slug="closed", host="localhost", port=1, is_default=False)
    assert "Failed at the stage “Connect”" in text(run(client, "closed"))


def test_untrusted_certificate_is_told(client, server):
    store(server, host="localhost", ca="")
    assert "certificate could not be trusted" in text(run(client))


def test_profile_that_does_not_send_says_so(client, server):
    store(server, host="localhost", do_not_send=True)
    assert "thrown away" in text(client.get(url("test")))
    assert "Nothing was sent: this profile is set to “do not send”." in text(run(client))
    assert server.connections == 0
    assert not ProfileState.objects.exists()


def test_inactive_profile_says_why(client, server):
    store(server, host="localhost", active=False, is_default=False)
    assert "switched off" in text(client.get(url("test")))
    page = text(run(client))
    assert "switched off" in page
    assert "Failed at the stage “Settings”" in page


def test_lost_key_shows_the_failure_page_and_asks_no_server(client, stored, server, settings):
    SMTPProfile.objects.update(password_sealed="gAAAAA-nothing")
    assert "nter the password again" in text(run(client))
    assert server.connections == 0


def test_result_is_remembered_and_listed(client, stored):
    run(client)
    state = ProfileState.objects.get(slug="shop")
    assert state.test_passed
    assert "verified just now" in text(client.get(url("changelist")))
    SMTPProfile.objects.create(slug="second", host="x.example", login="none", is_default=True)
    row = SMTPProfile.objects.get(slug="shop")
    row.do_not_send = True
    row.save()
    assert "verified just now" in text(client.get(url("changelist")))
    row.timeout += 1
    row.save()
    assert "changed since the last test" in text(client.get(url("changelist")))


def test_failure_is_remembered_and_listed(client, server):
    store(server, host="localhost", password="wrong")
    run(client)
    assert "failed just now at the stage “Log in”" in text(client.get(url("changelist")))


def test_each_test_is_written_down_without_the_servers_words(client, stored, server):
    run(client)
    server.refused = {"ann@example.com": f"550 {CANARY}"}
    run(client)
    entries = LogEntry.objects.order_by("pk")
    assert [entry.object_repr for entry in entries] == ["shop", "shop"]
    assert "ann@example.com" in entries[0].change_message
    assert "Recipient" in entries[1].change_message
    assert CANARY not in entries[1].change_message
    assert "✉" in text(client.get(url("history", stored.pk)))


def test_too_many_tests_are_refused(client, stored, server, settings):
    settings.MAILSETUP = {"TEST_LIMIT": 2, "TEST_WINDOW": 60}
    for _ in range(2):
        assert SENT in text(run(client))
    response = run(client)
    assert response.status_code == 429
    assert "Too many tests" in text(response)
    assert len(server.mails) == 2
    assert LogEntry.objects.count() == 2
    # Another user is not kept from it.
    assert SENT in text(run(person("test")))


def test_too_many_tests_of_all_users_together_are_refused(client, stored, server, settings):
    settings.MAILSETUP = {"TEST_LIMIT": 2, "TEST_LIMIT_SITE": 3, "TEST_WINDOW": 60}
    for each in (client, client, person("test")):
        assert SENT in text(run(each))
    response = run(person("test"))
    assert response.status_code == 429
    assert "Too many tests on this site. Wait a moment: 3 are allowed in 60 seconds" in text(
        response
    )
    # A connection check opens a connection as well.
    assert run(person("test"), check=True).status_code == 429
    assert len(server.mails) == 3
    assert LogEntry.objects.count() == 3
    # Who is beyond the own limit hears of that one.
    assert "Too many tests. Wait a moment: 2 are allowed" in text(run(client))
    LogEntry.objects.update(action_time=timezone.now() - timedelta(seconds=61))
    assert SENT in text(run(person("test")))


def test_edits_do_not_count_as_tests(client, stored, settings):
    settings.MAILSETUP = {"TEST_LIMIT": 1, "TEST_LIMIT_SITE": 1, "TEST_WINDOW": 60}
    client.post(url("change", stored.pk), typed(stored, from_name="Shop"))
    assert SENT in text(run(client))


def test_no_transaction_is_open_while_a_server_is_asked():
    from django.urls import resolve

    assert resolve(url("test")).func._non_atomic_requests == {"default"}


def test_profile_of_the_environment_alone(client, server, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_HOST", "localhost")
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", str(server.port))
    monkeypatch.setenv("MAILSETUP_DEFAULT_USERNAME", server.settings["username"])
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD", PASSWORD)
    monkeypatch.setenv("MAILSETUP_DEFAULT_CA", server.ca)
    page = client.get(url("test"))
    assert "Set by environment variables alone" in text(page)
    response = run(client, "default")
    assert SENT in text(response)
    assert ProfileState.objects.get().slug == "default"
    listed = text(client.get(url("changelist")))
    assert "Profiles given by environment variables alone" in listed
    assert "verified just now" in listed


def test_named_profile_of_the_environment_alone(client, profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_MY_SHOP_URL", "smtps://u:p@mail.environment.example")
    assert "my-shop" in text(client.get(url("test")))


def test_sites_own_settings_are_tested_while_there_is_no_profile(
    client, plain_server, site_settings
):
    site_settings(host="127.0.0.1", port=plain_server.port, username="", password="", use_tls=False)
    form = client.get(url("test")).context["adminform"].form
    assert form["profile"].value() == ":settings"
    page = text(run(client, ":settings"))
    assert SENT in page
    assert "Tested: The site&#x27;s own settings" in page
    assert not ProfileState.objects.exists()
    assert LogEntry.objects.get().object_id is None


def test_profile_deleted_meanwhile_ends_its_draft(client, stored):
    draft = keep(client, stored)
    stored.delete()
    assert client.get(url("test") + f"?draft={draft}").status_code == 403


def test_nothing_to_test(client, db):
    page = text(client.get(url("test")))
    assert "There is no mail account to test yet." in page
    assert "Add an account" in page


def test_result_that_is_gone_is_told(client, stored):
    assert "no longer kept" in text(client.get(url("test") + "?result=nothing"))


@pytest.mark.parametrize("backend", ["signed_cookies", "cache"])
def test_result_fits_into_other_sessions(administrator, stored, settings, backend):
    from django.test import Client

    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{backend}"
    client = Client()
    client.force_login(administrator)
    assert SENT in text(run(client))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert len(cookie.value) < 4000


# -- Values that were typed and not saved.


def test_typed_values_are_tested_and_not_saved(client, server):
    data = typed(**server.settings | {"host": "localhost"}, password=PASSWORD, _test="x")
    page = client.post(url("add"), data, follow=True)
    assert "not saved yet" in text(page)
    draft = page.context["draft"].key
    response = run(client, _draft=draft)
    assert SENT in text(response)
    assert "Tested: the values from the form, not saved" in text(response)
    assert not SMTPProfile.objects.exists()
    assert not ProfileState.objects.exists()
    assert len(server.mails) == 1


def keep(client, row, **fields):
    """Press "Test these values"; return the draft's key."""
    response = client.post(url("change", row.pk), typed(row, _test="x", **fields), follow=True)
    assert response.redirect_chain, errors(response)
    return response.context["draft"].key


def test_stored_password_serves_the_draft_of_the_same_destination(client, stored, server):
    draft = keep(client, stored, from_name="Shop")
    assert SENT in text(run(client, _draft=draft))


def test_back_in_the_form_the_values_and_the_password_are_there(client, stored):
    draft = keep(client, stored, from_name="Tea & Co", username="b@example.com", password=CANARY)
    page = client.get(url("change", stored.pk) + f"?draft={draft}")
    form = page.context["adminform"].form
    assert form["from_name"].value() == "Tea & Co"
    assert "is kept for a few minutes" in text(page)
    assert CANARY not in page.content.decode()
    data = typed(stored, from_name="Tea & Co", username="b@example.com", _draft=draft)
    assert client.post(url("change", stored.pk), data).status_code == 302
    stored.refresh_from_db()
    assert stored.get_password() == CANARY


def test_password_of_a_draft_serves_its_destination_only(client, stored):
    draft = keep(client, stored, username="b@example.com", password=CANARY)
    data = typed(stored, username="b@example.com", host="evil.example", _draft=draft)
    found = errors(client.post(url("change", stored.pk), data))
    assert "Enter the password again" in found["password"][0]


def test_variable_that_moves_a_draft_sends_no_password(
    client, stored, server, tls_server, monkeypatch
):
    draft = keep(client, stored, password=PASSWORD)
    monkeypatch.setenv("MAILSETUP_SHOP_PORT", str(tls_server.port))
    monkeypatch.setenv("MAILSETUP_SHOP_ENCRYPTION", "tls")
    assert PROBLEM in text(run(client, _draft=draft))
    assert tls_server.auth_commands == server.auth_commands == 0


def test_draft_too_old_is_told_and_its_password_is_gone(client, stored, settings):
    draft = keep(client, stored, username="b@example.com", password=CANARY)
    settings.MAILSETUP = {"DRAFT_SECONDS": -1}
    response = client.get(url("test") + f"?draft={draft}", follow=True)
    assert "no longer kept" in messages(response)[0]
    data = typed(stored, from_name="Shop", _draft=draft)
    found = errors(client.post(url("change", stored.pk), data))
    assert "kept for a few minutes only" in found["password"][0]


def test_draft_of_a_removed_password_sends_none(client, stored, server):
    draft = keep(client, stored, remove_password=True)
    assert "is to be removed" in text(run(client, _draft=draft))
    assert server.connections == 0


def test_draft_of_another_session_is_not_found(client, stored):
    draft = keep(client, stored, password=CANARY)
    other = person("test", "change", "view")
    response = other.get(url("test") + f"?draft={draft}", follow=True)
    assert "no longer kept" in messages(response)[0]


def test_values_that_do_not_pass_are_not_tested(client, stored, server):
    response = client.post(url("change", stored.pk), typed(stored, host="a b", _test="x"))
    assert "host" in errors(response)
    stored.refresh_from_db()
    assert stored.host == "localhost"


def test_saving_and_testing_goes_on_to_the_test_page(client, stored):
    data = typed(stored, from_name="Shop", _savetest="x")
    response = client.post(url("change", stored.pk), data)
    assert response.url == url("test") + "?profile=shop"
    stored.refresh_from_db()
    assert stored.from_name == "Shop"


def test_button_that_tests_never_saves(client, stored, monkeypatch):
    """Not even where the values pass the checks the second time only."""
    monkeypatch.setattr("mailsetup.admin.profiles.SMTPProfileAdmin._keep_typed", lambda *args: None)
    data = typed(stored, from_name="Shop", _test="x")
    assert client.post(url("change", stored.pk), data).status_code == 403
    stored.refresh_from_db()
    assert stored.from_name == ""
