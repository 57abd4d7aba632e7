"""The test mail and the connection check: every failure is a result that tells its stage."""

from __future__ import annotations

import socket
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from django.utils import translation

from mailsetup.delivery.testmail import run_test, site_name
from mailsetup.exceptions import InvalidProfileError, ProfileInactiveError, SecretUnavailableError
from mailsetup.smtp.account import Secret
from mailsetup.smtp.errors import (
    CertificateError,
    ContentRefusedError,
    LoginRefusedError,
    RecipientsRefusedError,
    RefusedConnectionError,
    ReplyTimeoutError,
)
from tests.backend_servers import PASSWORD, USERNAME
from tests.delivery.profiles import in_force


def run(effective, **options):
    defaults = {"to": "bob@example.com", "html": True, "site_name": "Mây Tea", "language": "en"}
    return run_test(effective, **(defaults | options))


def account(server, **values):
    defaults = {"login": "password", "password": Secret(PASSWORD)}
    return in_force(**(server.settings | defaults | values))


def test_a_test_mail_arrives_and_tells_how_it_went(server):
    result = run(account(server))
    assert result.passed
    assert result.error is None
    assert (result.stage, result.code, result.dropped) == ("", 250, False)
    assert result.tls_version.startswith("TLSv1")
    assert result.cipher
    assert "kept" in result.reply
    assert 0 < result.seconds < 60
    (mail,) = server.mails
    assert mail.sender == USERNAME
    assert mail.parsed["Message-ID"] == result.message_id
    assert mail.parsed["Auto-Submitted"] == "auto-generated"
    assert "Mây Tea" in mail.parsed["Subject"]


def test_the_mail_has_a_text_and_an_html_part(server):
    assert run(account(server)).passed
    mail = server.mails[0].parsed
    for kind in ("plain", "html"):
        text = mail.get_body((kind,)).get_content()
        assert "Mây Tea" in text
        assert f"{server.host}:{server.port}" in text
        assert "TLSv1" in text
        assert PASSWORD not in text


def test_without_html_it_is_text_alone(server):
    assert run(account(server), html=False).passed
    assert server.mails[0].parsed.get_content_type() == "text/plain"


def test_the_mail_is_in_the_language_asked_for(server):
    with translation.override("en"):
        assert run(account(server), language="vi").passed
        assert translation.get_language() == "en"


def test_a_check_logs_in_and_sends_nothing(server):
    result = run(account(server), to="", check_only=True)
    assert result.passed
    assert result.check_only
    assert result.message_id == ""
    assert server.auth_commands == 1
    assert server.mails == []


def test_tls_from_the_start(tls_server):
    result = run(account(tls_server))
    assert result.passed
    assert result.tls_version.startswith("TLSv1")


def test_without_encryption_and_login(plain_server):
    result = run(account(plain_server, login="none"))
    assert result.passed
    assert (result.tls_version, result.cipher) == ("", "")
    assert plain_server.auth_commands == 0


def test_a_profile_that_does_not_send_is_told_apart(server):
    effective = account(server, do_not_send=True)
    result = run(effective)
    assert result.passed
    assert result.dropped
    assert server.connections == 0
    assert run(effective, check_only=True).passed
    assert server.auth_commands == 1


@pytest.mark.parametrize("check_only", [True, False])
def test_a_wrong_password_fails_at_the_login_once(server, check_only):
    result = run(account(server, password=Secret("wrong")), check_only=check_only)
    assert (result.passed, result.stage, result.code) == (False, "login", 535)
    assert isinstance(result.error, LoginRefusedError)
    assert server.auth_commands == 1
    assert result.tls_version.startswith("TLSv1")


def test_a_refused_recipient_fails_at_the_recipient(server):
    server.refused = {"bob@example.com": "550 5.1.1 No such user"}
    result = run(account(server))
    assert (result.passed, result.stage, result.code) == (False, "recipient", 550)
    assert isinstance(result.error, RecipientsRefusedError)
    assert result.enhanced_code == "5.1.1"


def test_a_refused_content_fails_at_the_content(server):
    server.refuse_content = "554 5.7.1 Spam"
    result = run(account(server))
    assert (result.passed, result.stage) == (False, "content")
    assert isinstance(result.error, ContentRefusedError)


def test_nobody_listening_fails_at_the_connection():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        result = run(in_force(host="127.0.0.1", port=port))
    assert (result.passed, result.stage) == (False, "connect")
    assert isinstance(result.error, RefusedConnectionError)


def test_an_untrusted_certificate_fails_at_tls(server):
    result = run(account(server, ca=""))
    assert (result.passed, result.stage) == (False, "tls")
    assert isinstance(result.error, CertificateError)
    assert server.auth_commands == 0


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_a_wrong_pair_of_port_and_encryption_fails_within_the_timeout(
    server, tls_server, encryption
):
    other = tls_server if encryption == "starttls" else server
    began = time.monotonic()
    result = run(account(other, encryption=encryption, ca=other.ca, timeout=1))
    assert not result.passed
    assert result.stage in {"tls", "greeting"}
    assert time.monotonic() - began < 10
    assert other.auth_commands == 0


def test_a_silent_server_is_waited_for_no_longer_than_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        result = run(in_force(host="127.0.0.1", port=silent.getsockname()[1], timeout=1))
    assert (result.passed, result.stage) == (False, "greeting")
    assert isinstance(result.error, ReplyTimeoutError)
    assert time.monotonic() - began < 10


def test_the_whole_test_takes_no_longer_than_the_timeout():
    # Each answer comes in time; all of them together do not.
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def answer():
            connection, _ = slow.accept()
            with connection:
                for line in (b"220 slow", b"250 slow", b"250 slow", b"250 slow"):
                    time.sleep(0.7)
                    try:
                        connection.sendall(line + b"\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=answer)
        thread.start()
        port = slow.getsockname()[1]
        result = run(in_force(host="127.0.0.1", port=port, encryption="none", timeout=1))
        thread.join(30)
    assert (result.passed, result.stage) == (False, "ehlo")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"active": False}, ProfileInactiveError),
        ({"host": ""}, InvalidProfileError),
    ],
)
def test_a_fault_of_the_settings_is_a_result_too(server, values, kind):
    result = run(account(server, **values))
    assert (result.passed, result.stage) == (False, "settings")
    assert isinstance(result.error, kind)
    assert server.connections == 0


def test_a_secret_that_does_not_open_reaches_no_server(server):
    def closed():
        raise SecretUnavailableError("Enter the password again.")

    result = run(replace(account(server), secret=Secret(closed)))
    assert (result.passed, result.stage) == (False, "settings")
    assert str(result.error) == "Enter the password again."
    assert server.connections == 0


@pytest.mark.parametrize("options", [{"to": "nobody <"}, {"site_name": "two\nlines"}])
def test_what_cannot_be_written_is_a_result_too(server, options):
    result = run(account(server), **options)
    assert (result.passed, result.stage) == (False, "settings")
    assert server.mails == []


@pytest.mark.parametrize("right", [True, False])
def test_the_conversation_is_told_without_the_secret(server, right):
    secret = PASSWORD if right else "canary-wrong"
    result = run(account(server, password=Secret(secret)))
    text = result.transcript.text()
    assert "EHLO" in text.upper()
    assert "AUTH" in text
    assert "canary" not in text
    assert "canary" not in repr(result)


def test_a_test_keeps_no_connection(server):
    run(account(server))
    run(account(server))
    assert server.auth_commands == 2


def test_the_site_is_called_by_its_host(settings):
    settings.ALLOWED_HOSTS = ["*", ".example.com"]
    assert site_name() == "example.com"
    settings.ALLOWED_HOSTS = ["*"]
    assert site_name()
    assert site_name(RequestFactory().get("/", headers={"host": "localhost:8000"})) == (
        "localhost:8000"
    )


class Missing(Exception):
    """The row of a site that is not there."""


@pytest.fixture
def sites(monkeypatch):
    """Stand in for ``django.contrib.sites``; returns how to say what its look-up does."""
    manager = Mock()
    site = SimpleNamespace(objects=manager, DoesNotExist=Missing)
    monkeypatch.setitem(sys.modules, "django.contrib.sites.models", SimpleNamespace(Site=site))
    monkeypatch.setattr("django.apps.apps.is_installed", "django.contrib.sites".__eq__)
    return manager.get_current


@pytest.mark.parametrize("error", [Missing(), ImproperlyConfigured("SITE_ID")])
def test_the_site_without_its_row_is_called_by_its_host(settings, sites, error):
    settings.ALLOWED_HOSTS = ["shop.example.com"]
    sites.side_effect = error
    assert site_name() == "shop.example.com"
    request = RequestFactory().get("/", headers={"host": "shop.example.com"})
    assert site_name(request) == "shop.example.com"
    sites.assert_called_with(request)


def test_the_site_is_called_by_the_name_of_its_row(sites):
    sites.return_value = SimpleNamespace(name="Tea Shop")
    assert site_name() == "Tea Shop"
