"""The backend behind Django's mail API, against a real server."""

from __future__ import annotations

import logging
import smtplib

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, mail_admins, send_mail

from mailsetup import conf
from mailsetup.backends import EmailBackend
from mailsetup.delivery.options import tell_unknown
from mailsetup.exceptions import NoProfileError, ProfileNotFoundError, SecretUnavailableError
from mailsetup.models import Message, SMTPProfile
from mailsetup.smtp.account import Secret
from mailsetup.smtp.pool import pool
from tests.backend_servers import PASSWORD, USERNAME, store

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What Django 6.1 says of arguments that it still takes.
    pytest.mark.filterwarnings(r"ignore:The '?\w+'? (argument|setting)|The EMAIL_"),
]

OURS = "mailsetup.backends.EmailBackend"


def message(**values):
    defaults = {"subject": "Hi", "body": "Text", "from_email": "ann@example.com"}
    return EmailMessage(**(defaults | {"to": ["bob@example.com"]} | values))


# By a profile


def test_send_mail_goes_out_by_the_profile(ours, stored, server):
    sent = send_mail("Chào", "Nội dung ế", None, ["bob@example.com"], html_message="<b>ế</b>")
    assert sent == 1
    (arrived,) = server.mails
    assert (arrived.sender, arrived.recipients) == ("shop@example.com", ["bob@example.com"])
    assert arrived.parsed["Subject"] == "Chào"
    assert arrived.parsed["From"] == "shop@example.com"
    assert arrived.parsed.get_body(("plain",)).get_content().strip() == "Nội dung ế"
    assert arrived.parsed.get_body(("html",)).get_content().strip() == "<b>ế</b>"


def test_mails_of_many_calls_share_a_login(ours, stored, server):
    for number in range(4):
        send_mail(str(number), "Text", None, ["bob@example.com"])
    assert len(server.mails) == 4
    assert server.auth_commands == 1


def test_attachments_and_hidden_copies(stored, server):
    octets = bytes(range(256)) * 100
    one = EmailMultiAlternatives("Hi", ".dot\n", "a@example.com", ["b@example.com"])
    one.bcc, one.cc = ["hidden@example.com"], ["c@example.com"]
    one.attach("ảnh.bin", octets, "application/octet-stream")
    assert EmailBackend().send_messages([one]) == 1
    (arrived,) = server.mails
    assert {*arrived.recipients} == {"b@example.com", "c@example.com", "hidden@example.com"}
    assert b"hidden" not in arrived.content
    (attachment,) = arrived.parsed.iter_attachments()
    assert attachment.get_content() == octets
    assert arrived.parsed.get_body().get_content().strip() == ".dot"


def test_a_profile_is_chosen_by_name(stored, server, tls_server):
    store(tls_server, slug="news")
    EmailBackend(profile="news").send_messages([message()])
    assert len(tls_server.mails) == 1
    assert server.connections == 0


@pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")
def test_a_mailer_names_its_profile(settings, stored, tls_server):
    store(tls_server, slug="news")
    settings.MAILERS = {
        "default": {"BACKEND": "mailsetup.backends.EmailBackend"},
        "bulk": {
            "BACKEND": "mailsetup.backends.EmailBackend",
            "OPTIONS": {"profile": "news"},
        },
        "bad": {
            "BACKEND": "mailsetup.backends.EmailBackend",
            "OPTIONS": {"colour": "red", "password": "canary"},
        },
    }
    send_mail("Hi", "Text", None, ["bob@example.com"], using="bulk")
    assert len(tls_server.mails) == 1
    with pytest.raises(mail.InvalidMailer, match="colour") as caught:
        mail.mailers["bad"]
    assert not leaking_frames(caught.value)


def leaking_frames(error):
    """Return the functions of mailsetup whose variables tell the canary."""
    found, traceback = [], error.__traceback__
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        if "mailsetup" in frame.f_globals["__name__"] and "canary" in repr(frame.f_locals):
            found.append(frame.f_code.co_name)
    return found


@pytest.mark.skipif(django.VERSION >= (6, 1), reason="needs Django 6.0 or 5.2")
def test_a_misspelt_option_is_told_once(caplog):
    tell_unknown.cache_clear()
    for _ in range(2):
        mail.get_connection(OURS, profil="news", colour="red")
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "mailsetup's backend has no option 'profil'; it is ignored. Do you mean 'profile'?",
        "mailsetup's backend has no option 'colour'; it is ignored.",
    ]


def test_an_unknown_name_and_no_profile_say_where_to_go(transactional_db, server):
    with pytest.raises(NoProfileError, match="in the admin") as caught:
        EmailBackend().send_messages([message()])
    assert isinstance(caught.value, smtplib.SMTPException)
    store(server)
    with pytest.raises(ProfileNotFoundError, match="“news”"):
        EmailBackend(profile="news").send_messages([message()])


def test_an_account_of_the_environment_needs_no_row(db, monkeypatch, plain_server):
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", f"smtp://127.0.0.1:{plain_server.port}")
    monkeypatch.setenv("MAILSETUP_DEFAULT_FROM_EMAIL", "env@example.com")
    monkeypatch.setenv("MAILSETUP_DEFAULT_FORCE_FROM_EMAIL", "on")
    assert EmailBackend().send_messages([message()]) == 1
    assert plain_server.mails[0].sender == "env@example.com"


def test_mail_admins_reaches_its_admins(ours, stored, server):
    ours.ADMINS = ["ann@example.com"] if django.VERSION >= (6, 0) else [("Ann", "ann@example.com")]
    mail_admins("Error", "Text")
    (arrived,) = server.mails
    assert arrived.sender == "shop@example.com"
    assert arrived.parsed["From"] == "shop@example.com"
    assert arrived.recipients == ["ann@example.com"]


def test_a_profile_that_does_not_send_drops_loudly(transactional_db, server, caplog):
    store(server, do_not_send=True)
    backend = EmailBackend()
    assert backend.send_messages([message(), message()]) == 2
    with backend as opened:
        assert opened.send_messages([message()]) == 1
    assert server.connections == 0
    assert caplog.text.count("was dropped") == 3


def test_an_edit_is_in_force_for_the_next_mail(stored, server, tls_server):
    EmailBackend().send_messages([message()])
    for name, value in tls_server.settings.items():
        setattr(stored, name, value)
    stored.set_password(PASSWORD)
    stored.save()
    EmailBackend().send_messages([message()])
    assert (len(server.mails), len(tls_server.mails)) == (1, 1)


# By arguments


def test_an_account_of_arguments_needs_no_profile(plain_server):
    backend = EmailBackend(host="127.0.0.1", port=plain_server.port)
    assert backend.send_messages([message()]) == 1
    assert plain_server.mails[0].sender == "ann@example.com"


def test_an_account_of_arguments_logs_in(plain_server):
    def backend(**values):
        login = {"username": USERNAME, "password": PASSWORD}
        return EmailBackend(host="127.0.0.1", port=plain_server.port, **(login | values))

    assert backend().send_messages([message()]) == 1
    with pytest.raises(smtplib.SMTPAuthenticationError):
        backend(password="wrong").send_messages([message()])
    assert plain_server.auth_commands == 2


def test_a_given_username_and_password_go_to_the_profiles_server(ours, stored, server):
    stored.set_password("not this one")
    stored.save()
    login = {"auth_user": USERNAME, "auth_password": PASSWORD}
    if django.VERSION >= (6, 1):
        sent = EmailBackend(username=USERNAME, password=PASSWORD).send_messages([message()])
    else:
        sent = send_mail("Hi", "Text", None, ["bob@example.com"], **login)
    assert sent == 1
    assert len(server.mails) == 1


def test_another_username_gets_no_stored_password(stored, server):
    with pytest.raises(SecretUnavailableError):
        EmailBackend(username="eve@example.com").send_messages([message()])
    assert server.connections == 0


def test_both_kinds_of_encryption_are_refused():
    with pytest.raises(ValueError, match="mutually exclusive"):
        EmailBackend(use_tls=True, use_ssl=True)


def test_the_attributes_of_djangos_backend(stored, server):
    backend = EmailBackend()
    backend.open()
    assert (backend.host, backend.port, backend.username) == ("127.0.0.1", server.port, USERNAME)
    assert (backend.use_tls, backend.use_ssl, backend.timeout) == (True, False, 10)
    # A stored secret is not handed out; a given one is the caller's.
    assert backend.password is None
    backend.close()
    assert EmailBackend(password="given").password == "given"


# Connections


def test_a_context_manager_keeps_one_connection(stored, server):
    with EmailBackend() as backend:
        for _ in range(3):
            assert backend.send_messages([message()]) == 1
        assert backend.open() is False
    assert backend.connection is None
    assert len(server.mails) == 3
    assert server.auth_commands == 1


def test_more_connections_opened_than_the_profile_may_have_keep_no_mail_back(stored, server):
    backends = [EmailBackend() for _ in range(conf.option("MAX_CONNECTIONS") + 2)]
    for backend in backends:
        assert backend.open() is True
    for backend in [*backends, EmailBackend()]:
        assert backend.send_messages([message()]) == 1
    for backend in backends:
        assert backend.open() is False
        backend.close()
    assert len(server.mails) == len(backends) + 1
    assert server.connections <= conf.option("MAX_CONNECTIONS")


def test_connection_that_cannot_be_had_again_is_told_and_opened_anew(stored, server):
    backend = EmailBackend(fail_silently=True)
    backend.open()
    pool.close_all()
    server.refuse_login = True
    assert backend.send_messages([message()]) == 0
    server.refuse_login = False
    assert backend.open() is True
    assert backend.send_messages([message()]) == 1
    backend.close()


def test_nothing_is_opened_for_mail_that_goes_to_the_outbox(stored, server):
    stored.sending = "background"
    stored.save()
    with EmailBackend() as backend:
        assert backend.open() is False
        assert backend.send_messages([message()]) == 1
        now = message(headers={"X-Mailsetup-Sending": "at_once"})
        assert server.connections == 0
        assert backend.send_messages([now]) == 1
    assert len(server.mails) == 1
    assert Message.objects.filter(state="queued").count() == 1


def test_open_and_close_may_be_repeated(stored, server):
    backend = EmailBackend()
    backend.close()
    assert backend.open() is True
    assert backend.open() is False
    backend.close()
    backend.close()
    assert backend.send_messages([message()]) == 1


def test_a_connection_lost_between_mails_is_replaced(stored, server):
    with EmailBackend() as backend:
        backend.send_messages([message()])
        backend.connection.sock.close()
        assert backend.send_messages([message()]) == 1
    assert len(server.mails) == 2


def test_no_mail_is_no_connection(stored, server):
    backend = EmailBackend()
    assert backend.send_messages([]) == 0
    assert backend.send_messages(None) == 0
    assert backend.send_messages([message(to=[])]) == 0
    assert server.connections == 0


def test_nothing_is_asked_before_sending(django_assert_num_queries, server, stored):
    pool.close_all()
    with django_assert_num_queries(0):
        EmailBackend()
        EmailBackend(profile="absent")
    assert server.auth_commands == 0


def test_no_secret_hangs_on_the_backend(stored, server):
    with EmailBackend(username=USERNAME, password=PASSWORD) as backend:
        assert "canary" not in repr(vars(backend)) + repr(vars(backend.connection))
    assert "canary" not in repr(SMTPProfile.objects.get().__dict__) + repr(Secret(PASSWORD))


def test_logging_is_quiet_where_all_went_well(stored, server, caplog):
    with caplog.at_level(logging.DEBUG):
        EmailBackend().send_messages([message()])
    assert not [record for record in caplog.records if record.name.startswith("mailsetup")]
