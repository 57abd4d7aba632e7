"""Reaching the server: names, addresses, certificates, names said in EHLO, deadlines."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import time

import pytest
import trustme

from mailsetup.smtp import Encryption, Login, Outcome, Session, Stage, Transcript, connect, tls
from mailsetup.smtp.errors import (
    CertificateError,
    ConnectTimeoutError,
    HandshakeError,
    HandshakeTimeoutError,
    InvalidAccountError,
    NameLookupError,
    NameLookupTimeoutError,
    RefusedConnectionError,
)

from .postman import Office, Postman


@pytest.fixture
def office():
    office = Office()
    yield office
    office.close()


@pytest.fixture
def silent_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_refused_connection_is_the_stock_error_too(make_account):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(RefusedConnectionError) as caught:
            Session.open(make_account(port))
    error = caught.value
    assert isinstance(error, ConnectionRefusedError)
    assert (error.stage, error.outcome, error.code) == (Stage.CONNECT, Outcome.RETRY, None)
    assert error.errno
    assert error.port == port


def test_unknown_name_is_a_gaierror(make_account):
    with pytest.raises(NameLookupError) as caught:
        Session.open(make_account(25, host="no-such-host.invalid"))
    assert isinstance(caught.value, socket.gaierror)
    assert caught.value.stage is Stage.DNS


def test_hanging_name_service_is_left_behind(make_account, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: release.wait(20) and [])
    began = time.monotonic()
    with pytest.raises(NameLookupTimeoutError) as caught:
        Session.open(make_account(25, timeout=0.2))
    release.set()
    assert time.monotonic() - began < 3
    assert 0.2 <= caught.value.seconds < 3
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, socket.gaierror)


def test_next_address_is_tried(make_account, monkeypatch, office):
    real = socket.getaddrinfo
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", unused.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [dead, *real(*a, **k)])
        session = Session.open(make_account(office.port, host="127.0.0.1"))
    assert session.sock.getpeername()[1] == office.port
    session.quit()


def test_address_may_be_refused_and_looks_refused(make_account, office):
    asked = []
    account = make_account(
        office.port, host="127.0.0.1", allow_address=lambda ip: bool(asked.append(ip))
    )
    with pytest.raises(RefusedConnectionError) as caught:
        Session.open(account)
    assert asked == ["127.0.0.1"]
    assert "refused the connection" in str(caught.value)
    assert office.postmen == []


def test_blackholed_addresses_share_the_time(make_account, monkeypatch):
    def hang(sock, address):
        time.sleep(sock.gettimeout())
        raise TimeoutError("timed out")

    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", n)) for n in range(1, 5)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: rows)

    class Slow(socket.socket):
        def connect(self, address):
            hang(self, address)

    monkeypatch.setattr(connect.socket, "socket", Slow)
    began = time.monotonic()
    with pytest.raises(ConnectTimeoutError):
        Session.open(make_account(25, timeout=0.4))
    assert time.monotonic() - began < 3


def test_own_name_is_told_without_the_name_service(make_account, office, monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda *a: pytest.fail("asked"))
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    Session.open(make_account(office.port, host="127.0.0.1")).quit()
    Session.open(make_account(office.port, ehlo_name="me.example.com")).quit()
    monkeypatch.setattr(socket, "gethostname", lambda: "box.example.com")
    Session.open(make_account(office.port)).quit()
    hellos = [line for line in office.commands if line.startswith(b"ehlo")]
    assert hellos == [b"ehlo [127.0.0.1]", b"ehlo me.example.com", b"ehlo box.example.com"]


def test_small_packets_do_not_wait(make_account, office):
    session = Session.open(make_account(office.port))
    assert session.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert session.timeout == 5.0
    assert session.server == "at your service"
    session.quit()


def test_tls_is_told(make_account, server_context):
    office = Office(tls=server_context)
    transcript = Transcript()
    session = Session.open(make_account(office.port, Encryption.TLS), transcript=transcript)
    assert session.tls_version.startswith("TLSv1.")
    assert session.cipher
    assert session.tls_version in transcript.text()
    session.quit()
    assert session.tls_version == ""
    office.close()


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_certificate_is_verified(make_account, authority, encryption, wrong):
    issuer = trustme.CA() if wrong == "authority" else authority
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer.issue_cert("localhost" if wrong == "authority" else "mx.example.org").configure_cert(
        context
    )
    starttls = encryption is Encryption.STARTTLS
    office = Office(
        lambda: Postman(("STARTTLS", "AUTH PLAIN")),
        tls=None if starttls else context,
        starttls=context if starttls else None,
    )
    account = make_account(office.port, encryption, login=Login.PASSWORD)
    with pytest.raises(CertificateError) as caught:
        Session.open(account)
    error = caught.value
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert (error.stage, error.outcome) == (Stage.TLS, Outcome.FIX_PROFILE)
    assert error.verify_code == (62 if wrong == "name" else 20)
    session = Session.open(
        make_account(office.port, encryption, login=Login.PASSWORD, verify=False)
    )
    session.quit()
    office.close()
    assert sum(line.startswith(b"AUTH") for line in office.commands) == 1


def test_handshake_with_a_plain_server_fails_as_a_tls_error(make_account, office):
    with pytest.raises(HandshakeError) as caught:
        Session.open(make_account(office.port, Encryption.TLS))
    assert isinstance(caught.value, ssl.SSLError)
    assert caught.value.stage is Stage.TLS
    assert caught.value.outcome is Outcome.FIX_PROFILE


def test_handshake_that_never_ends_is_given_up(make_account, silent_port):
    began = time.monotonic()
    with pytest.raises(HandshakeTimeoutError) as caught:
        Session.open(make_account(silent_port, Encryption.TLS, timeout=0.3))
    assert time.monotonic() - began < 3
    assert isinstance(caught.value, TimeoutError)


def test_no_plaintext_after_a_failed_handshake(make_account, authority):
    """A second try over the same account starts from nothing, and asks for TLS again."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    office = Office(lambda: Postman(("STARTTLS", "AUTH PLAIN")), starttls=context)
    account = make_account(office.port, Encryption.STARTTLS, login=Login.PASSWORD)
    for _ in range(2):
        with pytest.raises(CertificateError):
            Session.open(account)
    office.close()
    said = {line.split()[0].upper() for line in office.commands}
    assert said == {b"EHLO", b"STARTTLS"}


def test_contexts_are_built_once(make_account, ca_pem):
    one, two = make_account(1, Encryption.TLS), make_account(2, Encryption.STARTTLS)
    assert tls.context_for(one) is tls.context_for(two)
    assert tls.context_for(one) is not tls.context_for(make_account(1, verify=False))
    assert tls.context_for(one) is not tls.context_for(make_account(1, ca=""))


def test_comments_around_a_certificate_may_be_in_any_language(make_account, ca_pem):
    account = make_account(1, Encryption.TLS, ca=f"# Chứng chỉ của Mây\n{ca_pem}")
    plain = make_account(1, Encryption.TLS)
    assert tls.context_for(account).cert_store_stats() == tls.context_for(plain).cert_store_stats()


@pytest.mark.parametrize(
    "changes",
    [{"ca": "nonsense"}, {"certfile": "/nonexistent"}, {"keyfile": "/nonexistent"}, {"ca": "é"}],
)
def test_unusable_certificates_are_told_before_the_network(make_account, silent_port, changes):
    with pytest.raises(InvalidAccountError) as caught:
        Session.open(make_account(silent_port, Encryption.TLS, **changes))
    assert caught.value.stage is Stage.TLS
    assert ("CA" in str(caught.value)) == ("ca" in changes)


def test_failed_opening_leaves_no_socket_open(make_account, office):
    with pytest.raises(HandshakeError):
        Session.open(make_account(office.port, Encryption.TLS))
    # An unclosed socket is a ResourceWarning here, and so a failure.
    gc.collect()
