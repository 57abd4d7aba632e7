"""What goes wrong raises as Django's backend does, or is silent where that was asked for."""

from __future__ import annotations

import logging
import smtplib
import socket

import pytest
import trustme
from django.core.mail import EmailMessage
from django.db import OperationalError

from mailsetup import effective
from mailsetup.backends import EmailBackend
from mailsetup.exceptions import SecretUnavailableError, SettingsUnavailableError
from mailsetup.models import ProfilesVersion, SMTPProfile
from tests.backend_servers import PASSWORD, store

pytestmark = [pytest.mark.django_db(transaction=True)]


def message(**values):
    defaults = {"subject": "Hi", "body": "Text", "from_email": "ann@example.com"}
    return EmailMessage(**(defaults | {"to": ["bob@example.com"]} | values))


@pytest.fixture
def closed_port():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def test_an_invalid_address_does_not_keep_the_others_from_going(stored, server):
    with pytest.raises(ValueError, match="Invalid address"):
        EmailBackend(fail_silently=True).send_messages(
            [message(), message(to=["nobody <"]), message()]
        )
    assert len(server.mails) == 2


def test_the_first_failure_is_raised_after_all_were_tried(stored, server):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        EmailBackend().send_messages([message(to=["gone@example.com"]), message()])
    assert "gone@example.com" in caught.value.recipients
    assert len(server.mails) == 1


def test_silent_failures_are_counted_out_and_logged(stored, server, caplog):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    backend = EmailBackend(fail_silently=True)
    assert backend.send_messages([message(to=["gone@example.com"]), message()]) == 1
    assert "asked for silence" in caplog.text
    assert "No such user" in caplog.text


def test_a_refused_connection(transactional_db, server, closed_port, caplog):
    store(server, port=closed_port)
    with pytest.raises(ConnectionRefusedError) as caught:
        EmailBackend().send_messages([message()])
    assert isinstance(caught.value, smtplib.SMTPException)
    silent = EmailBackend(fail_silently=True)
    assert silent.send_messages([message()]) == 0
    assert silent.open() is None
    with silent as opened:
        assert opened.send_messages([message()]) == 0
    assert all(record.levelno >= logging.ERROR for record in caplog.records)


def test_an_unknown_host(transactional_db, server):
    store(server, host="no-such-host.invalid")
    with pytest.raises(socket.gaierror):
        EmailBackend().send_messages([message()])


def test_a_wrong_password_is_tried_once(transactional_db, server):
    store(server, password="wrong")
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        EmailBackend().send_messages([message(), message(), message()])
    assert caught.value.smtp_code == 535
    assert server.auth_commands == 1
    assert server.mails == []


def test_no_password_at_all_reaches_no_server(transactional_db, server):
    store(server, password="")
    with pytest.raises(SecretUnavailableError, match="has no password"):
        EmailBackend().send_messages([message()])
    assert server.connections == 0


def test_a_key_that_no_longer_opens_sends_nothing(stored, server, settings):
    settings.SECRET_KEY = "another"
    with pytest.raises(SecretUnavailableError, match="cannot be opened with the keys"):
        EmailBackend().send_messages([message()])
    assert EmailBackend(fail_silently=True).send_messages([message()]) == 0
    assert server.connections == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "localhost"),
        ("encryption", "none"),
        ("encryption", "tls"),
        ("verify", False),
        ("ca", ""),
        ("username", "eve@example.com"),
    ],
)
@pytest.mark.parametrize("way", ["row", "environment", "update"])
def test_no_login_reaches_a_destination_that_was_changed(
    stored, server, monkeypatch, way, name, value
):
    if way == "row":
        setattr(stored, name, value)
        stored.save()
    elif way == "update":
        SMTPProfile.objects.update(**{name: value})
    else:
        # A variable cannot take a CA away, but name another one.
        value = value if value != "" else trustme.CA().cert_pem.bytes().decode()
        monkeypatch.setenv(f"MAILSETUP_SHOP_{name.upper()}", str(value))
        effective.forget()
    with pytest.raises(SecretUnavailableError, match="Enter the password again"):
        EmailBackend().send_messages([message()])
    assert (server.connections, server.auth_commands) == (0, 0)


def test_no_login_reaches_the_server_of_another_port(stored, server, tls_server):
    stored.port = tls_server.port
    stored.save()
    with pytest.raises(SecretUnavailableError):
        EmailBackend().send_messages([message()])
    assert tls_server.connections == 0


def test_no_login_goes_out_by_a_copied_row(stored, server):
    copy = SMTPProfile.objects.get()
    copy.pk, copy.uuid, copy.slug = None, SMTPProfile().uuid, "copy"
    copy.is_default = False
    copy.save()
    with pytest.raises(SecretUnavailableError):
        EmailBackend(profile="copy").send_messages([message()])
    assert server.connections == 0


def test_an_untrusted_certificate_gets_no_login(transactional_db, server):
    store(server, ca="")
    with pytest.raises(smtplib.SMTPException, match="certificate"):
        EmailBackend().send_messages([message()])
    assert server.auth_commands == 0


def test_a_password_in_clear_off_this_computer_is_refused(transactional_db, server):
    store(server, host="smtp.example.com", encryption="none")
    with pytest.raises(smtplib.SMTPException, match="unencrypted"):
        EmailBackend().send_messages([message()])


def test_the_last_good_profile_serves_while_the_database_is_down(
    stored, server, settings, monkeypatch
):
    settings.MAILSETUP = {"PROBE_SECONDS": 0}
    effective.resolve()

    def fail(connection):
        raise OperationalError("could not connect")

    monkeypatch.setattr(ProfilesVersion, "current", fail)
    assert EmailBackend().send_messages([message()]) == 1
    effective.forget()
    with pytest.raises(SettingsUnavailableError):
        EmailBackend().send_messages([message()])
    assert len(server.mails) == 1


def test_a_profile_edited_between_open_and_send_is_for_the_next_mail(stored, server):
    backend = EmailBackend()
    backend.open()
    stored.do_not_send = True
    stored.save()
    assert backend.send_messages([message()]) == 1
    backend.close()
    assert len(server.mails) == 1
    assert backend.send_messages([message()]) == 1
    assert len(server.mails) == 1


def test_the_password_is_right_again_after_it_was_typed_anew(transactional_db, server):
    row = store(server, password="wrong")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        EmailBackend().send_messages([message()])
    row.set_password(PASSWORD)
    row.save()
    assert EmailBackend().send_messages([message()]) == 1
