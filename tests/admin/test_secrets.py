"""A canary for a password: it must come up on no page, in no message and in no log."""

import base64
import json
import logging
import sys
from html import escape
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.signals import got_request_exception
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter

from mailsetup.models import SMTPProfile
from tests.admin.conftest import CANARY, typed, url
from tests.admin.test_permissions import TABLE, address
from tests.backend_servers import store

FORMS = {
    CANARY,
    escape(CANARY),
    quote(CANARY),
    json.dumps(CANARY)[1:-1],
    json.dumps(CANARY, ensure_ascii=False)[1:-1],
    base64.b64encode(CANARY.encode()).decode(),
    repr(CANARY)[1:-1],
}


def assert_clean(content):
    found = [form for form in FORMS if form in content]
    assert not found
    # Not even the sealed text is any page's business.
    for sealed in SMTPProfile.objects.exclude(password_sealed="").values_list(
        "password_sealed", flat=True
    ):
        assert sealed not in content


def whole(response):
    headers = "\n".join(f"{name}: {value}" for name, value in response.items())
    cookies = response.cookies.output()
    return headers + cookies + response.content.decode()


@pytest.mark.parametrize("name", list(TABLE), ids=str)
def test_no_page_shows_a_stored_password(client, profile, name):
    assert_clean(whole(client.get(address(name, profile), follow=True)))


ERRORS = {
    "host": {"host": "smtp://x"},
    "port": {"port": "0"},
    "slug": {"slug": "a b"},
    "plain": {"encryption": "none"},
    "both": {"remove_password": True},
    "ca": {"ca": "no certificate"},
    "control": {"password": CANARY + "\n"},
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("button", ["_save", "_test", "_fill", "_saveasnew", "_continue"])
def test_no_error_shows_a_typed_password(client, profile, name, button):
    data = typed(profile, **{"password": CANARY, button: "x"} | ERRORS[name])
    for page in (url("add"), url("change", profile.pk)):
        assert_clean(whole(client.post(page, data, follow=True)))


@pytest.mark.parametrize("button", ["_save", "_continue", "_savetest", "_test", "_saveasnew"])
def test_saving_a_typed_password_shows_it_nowhere(client, profile, button):
    data = typed(profile, password=CANARY, **{button: "x"})
    assert_clean(whole(client.post(url("change", profile.pk), data, follow=True)))
    assert_clean(whole(client.get(reverse("admin:index"))))
    assert_clean(whole(client.get(url("history", profile.pk))))
    for entry in LogEntry.objects.all():
        assert_clean(entry.change_message + entry.object_repr)
    for session in Session.objects.all():
        kept = json.dumps(session.get_decoded(), ensure_ascii=False)
        assert not [form for form in FORMS if form in kept]


@pytest.mark.parametrize("refusal", ["login", "tls", "dns"])
def test_no_failed_test_shows_the_password(client, server, caplog, refusal):
    caplog.set_level(logging.DEBUG)
    fields = {"tls": {"encryption": "tls", "timeout": 2}, "dns": {"host": "nothing.invalid"}}
    row = store(server, **{"host": "localhost", "password": CANARY} | fields.get(refusal, {}))
    response = client.post(
        url("test"),
        {"to": "ann@example.com", "html": "on", "profile": row.slug, "_send": "x"},
        follow=True,
    )
    assert "There was a problem" in response.content.decode()
    assert_clean(whole(response))
    assert not [form for form in FORMS if form in caplog.text]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "broken",
    [
        "mailsetup.admin.profiles.SMTPProfileAdmin.save_model",
        "mailsetup.admin.presets.complete",
        "mailsetup.admin.passwords.status.changed_fields",
        "mailsetup.providers.normalize_secret",
        "mailsetup.vault.seal",
    ],
)
def test_report_of_an_unexpected_error_shows_no_password(
    administrator, profile, monkeypatch, settings, debug, broken
):
    settings.DEBUG = debug
    reports = []

    def explode(*args, **kwargs):
        raise ZeroDivisionError

    def report(sender, request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    monkeypatch.setattr(broken, explode)
    client = Client(raise_request_exception=False)
    client.force_login(administrator)
    data = typed(profile, host="other.example", password=CANARY)
    if "changed_fields" in broken:
        # It is asked where the password is missing.
        data["password"] = ""
    got_request_exception.connect(report)
    try:
        response = client.post(url("change", profile.pk), data)
    finally:
        got_request_exception.disconnect(report)
    assert response.status_code == 500
    assert len(reports) == 2
    for content in (*reports, whole(response)):
        assert not [form for form in FORMS if form in content]
