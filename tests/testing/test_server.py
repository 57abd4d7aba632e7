"""The server that apps get for their tests, spoken to by smtplib."""

from __future__ import annotations

import os
import smtplib
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailsetup.testing import MailServer

CONTENT = b"Subject: =?utf-8?q?Ch=C3=A0o?=\r\n\r\n.dot\r\n..\r\nbye\r\n"


@pytest.fixture
def server():
    with MailServer() as server:
        yield server


@contextmanager
def client(server):
    with smtplib.SMTP(server.host, server.port, timeout=10) as connection:
        yield connection


def test_mail_is_kept_as_it_was_sent(server):
    with client(server) as connection:
        connection.sendmail("a@example.com", ["b@example.com", "c@example.com"], CONTENT)
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("a@example.com", ("b@example.com", "c@example.com"))
    assert mail.content == CONTENT
    assert mail.subject == mail.message["Subject"] == "Chào"
    assert mail.username == ""


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("at_once", [True, False])
def test_any_login_will_do_and_is_noted(server, method, at_once):
    with client(server) as connection:
        connection.user, connection.password = "ann", "any"
        authobject = getattr(connection, f"auth_{method.lower()}")
        connection.ehlo()
        connection.auth(method, authobject, initial_response_ok=at_once)
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
    assert server.logins == [server.mails[0].username] == ["ann"]


def test_login_that_is_no_base64_is_noted_as_nobodys(server):
    with client(server) as connection:
        assert connection.docmd("AUTH PLAIN", "-")[0] == 235
    assert server.logins == [""]


def test_refusals_are_the_replies_asked_for(server):
    server.refuse_recipient("B@example.com", "551 5.7.1 Not you")
    server.refuse_login()
    server.refuse_content("554 5.7.1 Spam")
    with client(server) as connection:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            connection.login("ann", "any")
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
        with pytest.raises(smtplib.SMTPDataError, match="Spam"):
            connection.sendmail("a@example.com", ["c@example.com"], CONTENT)
    assert refused.value.recipients == {"b@example.com": (551, b"5.7.1 Not you")}
    assert server.mails == []


def test_greylisting_asks_each_recipient_to_come_again(server):
    server.greylist(times=2)
    with client(server) as connection:
        for _ in range(2):
            with pytest.raises(smtplib.SMTPRecipientsRefused, match="Greylisted"):
                connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            connection.sendmail("a@example.com", ["c@example.com"], CONTENT)
    assert len(server.mails) == 1


def test_break_after_content_keeps_the_mail_and_says_nothing(server):
    server.break_after_content()
    with pytest.raises(smtplib.SMTPServerDisconnected), client(server) as connection:
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
    with client(server) as connection:
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
    assert len(server.mails) == 2


def test_behave_takes_all_mail_again_and_keeps_what_came(server):
    with client(server) as connection:
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
        server.refuse_recipient("b@example.com")
        server.refuse_login()
        server.refuse_content()
        server.greylist()
        server.break_after_content()
        server.behave()
        connection.login("ann", "any")
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
    assert len(server.mails) == 2


def test_odd_commands_are_answered(server):
    with client(server) as connection:
        assert connection.helo()[0] == 250
        assert connection.docmd("VRFY", "ann")[0] == 502
        assert connection.docmd("DATA")[0] == 503
        assert connection.noop()[0] == 250
        assert connection.rset()[0] == 250


def test_end_does_not_wait_for_connections_and_leaves_no_thread():
    before = threading.active_count()
    with MailServer() as server:
        idle = socket.create_connection((server.host, server.port), timeout=10)
        assert idle.recv(3) == b"220"
        idle.sendall(b"EHLO x\r\nMAIL FROM:<a@x.vn>\r\nRCPT TO:<b@x.vn>\r\nDATA\r\nhalf a mail")
    with idle:
        while idle.recv(100):
            pass
    assert threading.active_count() == before
    assert server.mails == []
    with pytest.raises(RuntimeError, match="not running"):
        server.port  # noqa: B018 - the property raises
    assert "not running" in repr(server)


# A run that is broken off while its server runs, with a connection that is kept.
BROKEN_OFF = """
import smtplib, sys
from contextlib import contextmanager
import django
django.setup()
from mailsetup.testing import MailServer

@contextmanager
def wrapped():
    with MailServer() as server:
        yield server

context = wrapped()
server = context.__enter__()
kept = smtplib.SMTP(server.host, server.port)
kept.ehlo()
{end}
"""


def ending(end):
    """Return the exit status and the errors of a process that ends in the middle."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", BROKEN_OFF.format(end=end)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("end", "status"), [("raise KeyboardInterrupt", -2), ("sys.exit(3)", 3), ("", 0)]
)
def test_process_that_ends_in_the_middle_does_not_hang(end, status):
    returned, errors = ending(end)
    assert returned == status, errors
    assert "MailServer" not in errors


def test_end_in_a_forked_process_leaves_the_connections_of_the_other(server):
    with client(server) as connection:
        connection.ehlo()
        child = os.fork()
        if child == 0:
            try:
                server.__exit__()
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        connection.sendmail("a@example.com", ["b@example.com"], CONTENT)
    assert len(server.mails) == 1


def test_repr_tells_port_and_mails(server):
    assert repr(server) == f"<MailServer port {server.port}, 0 mails>"
