"""Threads share connections, not conversations; mail about failing mail makes no chain."""

from __future__ import annotations

import logging
import smtplib
import socket
import threading

import django
import pytest
from django.core.mail import EmailMessage
from django.db import OperationalError, connection
from django.utils.log import AdminEmailHandler

from mailsetup import effective
from mailsetup.backends import EmailBackend
from mailsetup.models import ProfilesVersion
from mailsetup.smtp.pool import Pool
from tests.backend_servers import store

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, EACH = 6, 5


def message(number=0, to="bob@example.com"):
    return EmailMessage(f"Mail {number}", f"Text {number}", "ann@example.com", [to])


def run_in_threads(work):
    failures = []

    def run(number):
        try:
            work(number)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


def assert_all_arrived_whole(server):
    subjects = sorted(mail.parsed["Subject"] for mail in server.mails)
    assert subjects == sorted(f"Mail {number}" for number in range(THREADS * EACH))
    for mail in server.mails:
        number = mail.parsed["Subject"].removeprefix("Mail ")
        assert mail.parsed.get_content().strip() == f"Text {number}"
    assert not server.failures


def test_threads_with_a_backend_each(stored, server):
    def work(number):
        for index in range(EACH):
            EmailBackend().send_messages([message(number * EACH + index)])

    run_in_threads(work)
    assert_all_arrived_whole(server)
    # As many connections as the pool may keep for one profile.
    assert server.auth_commands <= 3


def test_threads_that_share_a_backend(stored, server):
    backend = EmailBackend()

    def work(number):
        for index in range(EACH):
            backend.send_messages([message(number * EACH + index)])

    run_in_threads(work)
    assert_all_arrived_whole(server)


def test_a_profile_edited_under_load_fails_no_mail(stored, server):
    def work(number):
        for index in range(EACH):
            EmailBackend().send_messages([message(number * EACH + index)])
            if number == 0:
                stored.from_name = str(index)
                stored.save()

    run_in_threads(work)
    assert_all_arrived_whole(server)


# Mail about failing mail


@pytest.fixture
def mailing_log(ours):
    """Mail every warning of mailsetup and Django to the admins; return the calls of the pool."""
    ours.ADMINS = ["boss@example.com"] if django.VERSION >= (6, 0) else [("B", "boss@example.com")]
    handler = AdminEmailHandler()
    loggers = [logging.getLogger(name) for name in ("mailsetup", "django.dispatch")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def borrowed(monkeypatch):
    """The connections asked for."""
    asked = []
    real = Pool.borrow

    def borrow(self, account, **options):
        asked.append(account)
        assert len(asked) < 20, "a chain"
        return real(self, account, **options)

    monkeypatch.setattr(Pool, "borrow", borrow)
    return asked


@pytest.fixture
def unreachable(transactional_db, server):
    """The default profile, of a port where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        store(server, port=reserved.getsockname()[1])
        yield


def test_a_silent_failure_is_mailed_once_and_stays_silent(unreachable, mailing_log, borrowed):
    assert EmailBackend(fail_silently=True).send_messages([message()]) == 0
    assert len(borrowed) == 2


def test_a_loud_failure_is_not_mailed_by_the_backend(unreachable, mailing_log, borrowed):
    with pytest.raises(smtplib.SMTPException):
        EmailBackend().send_messages([message()])
    assert len(borrowed) == 1


def test_a_refused_admin_starts_no_chain(stored, server, mailing_log, borrowed):
    server.refused = dict.fromkeys(
        ["gone@example.com", "boss@example.com"], "550 5.1.1 No such user"
    )
    two = EmailMessage("Hi", "Text", "a@example.com", ["bob@example.com", "gone@example.com"])
    assert EmailBackend().send_messages([two]) == 1
    assert len(borrowed) == 2
    # The next failure is heard of again.
    assert EmailBackend().send_messages([two]) == 1
    assert len(borrowed) == 4


def test_a_profile_that_does_not_send_starts_no_chain(
    transactional_db, server, mailing_log, borrowed
):
    store(server, do_not_send=True)
    assert EmailBackend().send_messages([message()]) == 1
    assert borrowed == []


def test_a_database_that_fails_starts_no_chain(
    stored, server, mailing_log, borrowed, settings, monkeypatch
):
    settings.MAILSETUP = {"PROBE_SECONDS": 0}
    effective.resolve()

    def fail(connection):
        raise OperationalError("could not connect")

    monkeypatch.setattr(ProfilesVersion, "current", fail)
    assert EmailBackend().send_messages([message(1)]) == 1
    assert len(server.mails) == 2
    assert EmailBackend().send_messages([message(2)]) == 1
    assert len(server.mails) == 3
