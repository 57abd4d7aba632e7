"""The line that tells of failing mail, and the button that lets a profile go on."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mailsetup import effective
from mailsetup.admin import trouble
from mailsetup.delivery.outbox.standing import settings_mark
from mailsetup.models import ProfileState, State
from tests import mails
from tests.admin.conftest import messages, text, typed
from tests.admin.conftest import person as profile_person
from tests.admin.conftest import url as profile_url
from tests.admin.test_log_permissions import person, url

PAGES = ["admin:index", "admin:auth_user_changelist", "admin:mailsetup_message_changelist"]


def stop(slug="shop"):
    """Stop a profile as a refused login does."""
    mark = settings_mark(effective.resolve(slug))
    return ProfileState.objects.create(
        slug=slug,
        stopped_at=timezone.now(),
        kept_settings=mark,
        stopped_reason="535 5.7.8 <b>Bad credentials</b>",
    )


def hold(slug="shop", hours=2):
    until = timezone.now() + timedelta(hours=hours, seconds=30)
    return ProfileState.objects.create(slug=slug, held_until=until, held_reason="The quota.")


@pytest.mark.parametrize("page", PAGES)
def test_failing_mail_is_told_on_every_page_until_it_is_dealt_with(client, db, page):
    assert "nobody has dealt with" not in text(client.get(reverse(page)))
    row = mails.mail(State.FAILED, needs_attention=True)
    trouble.forget()
    response = client.get(reverse(page))
    assert "1 mail failed and nobody has dealt with it yet." in text(response)
    assert f'href="{url("changelist")}?attention=1"' in response.content.decode()
    client.post(url("dealt_with", row.pk))
    assert "nobody has dealt with" not in text(client.get(reverse(page)))


@pytest.mark.parametrize("page", PAGES)
def test_profile_that_drops_its_mail_is_told_on_every_page(client, profile, page):
    words = "The profile “shop” is set to “do not send”: its mail is dropped."
    change = profile_url("change", profile.pk)
    assert words not in text(client.get(reverse(page)))
    client.post(change, typed(profile, do_not_send=True))
    assert words in text(client.get(reverse(page)))
    client.post(change, typed(profile, do_not_send=False))
    assert words not in text(client.get(reverse(page)))


def test_profile_of_the_environment_that_drops_its_mail_is_told_too(client, db, monkeypatch):
    monkeypatch.setenv("MAILSETUP_NEWS_HOST", "127.0.0.1")
    monkeypatch.setenv("MAILSETUP_NEWS_LOGIN", "none")
    monkeypatch.setenv("MAILSETUP_NEWS_DO_NOT_SEND", "true")
    trouble.forget()
    assert "The profile “news” is set to “do not send”" in text(client.get(reverse(PAGES[0])))


def test_sign_in_page_and_strangers_are_told_nothing(client, profile):
    mails.mail(State.FAILED, needs_attention=True)
    stop()
    assert "nobody has dealt with" not in text(Client().get(reverse("admin:login")))
    for held in ("change", "resend", "export"):
        page = text(person(held).get(reverse("admin:index")))
        assert "nobody has dealt with" not in page
        assert "is stopped" not in page


def test_many_are_counted_up_to_a_number(client, db, monkeypatch):
    monkeypatch.setattr(trouble, "MOST_COUNTED", 2)
    for _each in range(4):
        mails.mail(State.FAILED, needs_attention=True)
    assert "More than 2 mails failed" in text(client.get(reverse("admin:index")))


def test_answer_is_taken_from_memory_for_some_seconds(client, db, django_assert_num_queries):
    client.get(reverse("admin:index"))
    with django_assert_num_queries(0):
        trouble.now()


def test_database_that_lacks_the_tables_spoils_no_page(client, db, monkeypatch):
    def fail():
        raise DatabaseError("no such table")

    monkeypatch.setattr(trouble, "_failing", fail)
    assert client.get(reverse("admin:index")).status_code == 200


def test_popup_shows_no_line(client, db):
    mails.mail(State.FAILED, needs_attention=True)
    page = client.get(reverse("admin:auth_group_add") + "?_popup=1")
    assert "nobody has dealt with" not in text(page)


def test_stopped_profile_is_told_on_every_page(client, profile):
    stop()
    page = client.get(reverse("admin:index"))
    assert "The profile “shop” is stopped, because its login was refused." in text(page)
    assert "<b>Bad" not in page.content.decode()
    assert profile_url("changelist") in page.content.decode()


def test_stop_is_over_once_the_profile_is_edited(client, profile):
    stop()
    data = typed(profile, username="other@example.com", password="new")
    client.post(profile_url("change", profile.pk), data)
    trouble.forget()
    assert "is stopped" not in text(client.get(reverse("admin:index")))


def test_hold_is_over_when_its_time_is(client, profile):
    hold(hours=-1)
    assert not trouble.now()


def test_state_of_a_profile_that_is_gone_is_no_trouble(client, db):
    ProfileState.objects.create(slug="gone", stopped_at=timezone.now(), kept_settings="x")
    assert not trouble.now()


@pytest.mark.parametrize("page", ["changelist", "change"])
@pytest.mark.parametrize("keep", [stop, hold])
def test_profiles_pages_tell_why_its_mail_waits_with_a_button(client, profile, page, keep):
    keep()
    target = profile_url(page, *([profile.pk] if page == "change" else []))
    response = client.get(target)
    assert ("is stopped" if keep is stop else "waits for another 2 hours") in text(response)
    shown = response.content.decode()
    assert shown.count('form="mailsetup-resume-1"') == 1
    assert f'<form id="mailsetup-resume-1" method="post" action="{profile_url("resume")}">' in shown
    viewer = profile_person("view").get(target).content.decode()
    assert "mailsetup-resume" not in viewer


def test_resume_lets_the_mail_go_on_and_is_noted(client, profile):
    stop()
    target = profile_url("change", profile.pk)
    data = {"profile": "shop", "next": target}
    response = client.post(profile_url("resume"), data, follow=True)
    assert response.redirect_chain == [(target, 302)]
    assert messages(response) == ["The mail of the profile “shop” goes on."]
    assert ProfileState.objects.get().stopped_at is None
    assert LogEntry.objects.get().change_message == "Resumed."
    assert "is stopped" not in text(response)


def test_resume_of_what_nothing_keeps_back_says_so(client, profile):
    response = client.post(profile_url("resume"), {"profile": "shop"}, follow=True)
    assert messages(response) == ["Nothing keeps the mail of that profile back."]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:x", ""])
def test_resume_leads_to_no_other_site(client, profile, target):
    hold()
    response = client.post(profile_url("resume"), {"profile": "shop", "next": target})
    assert response.url == profile_url("changelist")


def test_mail_of_a_profile_from_the_environment_is_resumed_too(client, db, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", "smtp://mail.example.com")
    monkeypatch.setenv("MAILSETUP_DEFAULT_ALLOW_PLAINTEXT", "yes")
    hold("default")
    client.post(profile_url("resume"), {"profile": "default"})
    assert ProfileState.objects.get().held_until is None


def test_wait_of_less_than_a_minute_is_told_as_that(client, profile):
    hold(hours=0)
    page = text(client.get(reverse("admin:index")))
    assert "The mail of the profile “shop” waits for less than a minute more." in page
    assert "0 minutes" not in page
