"""The demo's mail server: mail only after TLS and a login, kept as it came."""

import smtplib
import socket
import ssl
import stat

import pytest
import trustme

from config.demo import inbox, state
from config.demo.mailserver import MailServer, authority, free_port

USER, PASSWORD = "shop@may-tea.example", "mật khẩu 🔑"
MAIL = (
    b"From: Shop <shop@may-tea.example>\r\nTo: a@b.example\r\nSubject: =?utf-8?q?Tr=C3=A0?=\r\n"
    b"\r\n.a line that starts with a dot\r\n"
)


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture
def server(ca, tmp_path):
    server = MailServer(username=USER, password=PASSWORD, mails=tmp_path, ca=ca)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def trusting(ca):
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture
def starttls(server, trusting):
    with smtplib.SMTP("localhost", server.starttls_port, timeout=20) as client:
        client.starttls(context=trusting)
        client.ehlo()
        yield client


def login(client: smtplib.SMTP, user: str, password: str) -> int:
    """Log in as RFC 4616 says, in UTF-8, which smtplib does not."""
    import base64

    secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return client.docmd("AUTH", f"PLAIN {secret}")[0]


def test_nothing_but_starttls_is_taken_in_clear(server):
    with smtplib.SMTP("localhost", server.starttls_port, timeout=20) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] in (530, 538)
        code, reply = client.mail("a@b.example")
        assert code == 530
        assert b"STARTTLS" in reply


def test_mail_without_login_is_refused(server, starttls, trusting):
    assert starttls.mail("a@b.example")[0] == 530
    with smtplib.SMTP_SSL("localhost", server.tls_port, timeout=20, context=trusting) as client:
        client.ehlo()
        assert client.mail("a@b.example")[0] == 530
    assert inbox.keys(server.mails) == []


@pytest.mark.parametrize(("user", "password"), [(USER, "guess"), ("other", PASSWORD), (USER, "")])
def test_wrong_login_is_refused(starttls, user, password):
    assert login(starttls, user, password) == 535
    assert starttls.mail("a@b.example")[0] == 530


def test_mail_after_starttls_and_login_is_kept_as_it_came(server, starttls):
    assert login(starttls, USER, PASSWORD) == 235
    starttls.sendmail(USER, ["a@b.example", "hidden@b.example"], MAIL)

    (key,) = inbox.keys(server.mails)
    mail = inbox.read(server.mails, key)
    assert mail.source.endswith(MAIL)
    assert mail.recipients == ["a@b.example", "hidden@b.example"]
    assert mail.message["Return-Path"] == f"<{USER}>"
    assert "ESMTPSA" in mail.message["Received"]
    assert mail.subject == "Trà"
    assert mail.text.startswith(".a line")
    assert stat.S_IMODE((server.mails / f"{key}.eml").stat().st_mode) == 0o600


def test_mail_over_tls_from_the_start_is_kept(server, trusting):
    with smtplib.SMTP_SSL("localhost", server.tls_port, timeout=20, context=trusting) as client:
        client.ehlo()
        assert login(client, USER, PASSWORD) == 235
        client.sendmail(USER, ["a@b.example"], MAIL)
    assert len(inbox.keys(server.mails)) == 1


def test_certificate_is_not_trusted_by_others(server):
    with smtplib.SMTP("localhost", server.starttls_port, timeout=20) as client:
        with pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=ssl.create_default_context())


def test_stopped_server_listens_no_more(ca, tmp_path):
    server = MailServer(username=USER, password=PASSWORD, mails=tmp_path, ca=ca)
    server.start()
    server.stop()
    for port in (server.starttls_port, server.tls_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_next_port_is_taken_where_one_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port([port, 0]) != port
        with pytest.raises(OSError, match="in use"):
            free_port([port])


def test_authority_is_the_same_at_the_next_start(tmp_path, monkeypatch):
    for name, path in {
        "DIRECTORY": tmp_path,
        "MAILS": tmp_path / "mails",
        "CA_CERTIFICATE": tmp_path / "ca.pem",
    }.items():
        monkeypatch.setattr(state, name, path)
    first, second = authority(), authority()
    assert first.cert_pem.bytes() == second.cert_pem.bytes()
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    # What the second one signs is trusted by who trusts the first.
    context = ssl.create_default_context(cadata=first.cert_pem.bytes().decode())
    server = MailServer(username=USER, password=PASSWORD, mails=state.MAILS, ca=second)
    server.start()
    try:
        with smtplib.SMTP("localhost", server.starttls_port, timeout=20) as client:
            assert client.starttls(context=context)[0] == 220
    finally:
        server.stop()
