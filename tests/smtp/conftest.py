"""Servers for the transport's tests: aiosmtpd in a thread, and a certificate authority."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as ServerSession

from mailsetup.smtp import Account, Encryption, Login, Secret, servers

USERNAME = "ngân@example.com"
PASSWORD = "mật khẩu-7%/+"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def _unknown_servers() -> Iterator[None]:
    """Ports are used again: what one test learnt of a server must not reach another."""
    servers.forget()
    yield
    servers.forget()


@dataclass
class Mailbox:
    """What an aiosmtpd server accepted, and how often somebody tried to sign in."""

    received: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: ServerSession, envelope: Envelope) -> str:
        self.received.append(envelope)
        return "250 2.0.0 queued as X1"

    def authenticate(
        self, server: SMTP, session: ServerSession, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins.append(mechanism)
        assert isinstance(data, LoginPassword)
        good = data.login == USERNAME.encode() and data.password == PASSWORD.encode()
        return AuthResult(success=good)


@dataclass
class Server:
    port: int
    mailbox: Mailbox
    controller: Controller


class _Controller(Controller):
    """aiosmtpd's controller, on a port the system chose."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def start_server(server_context: ssl.SSLContext) -> Iterator[Callable[..., Server]]:
    running: list[Controller] = []

    def start(encryption: Encryption = Encryption.NONE, *, login: bool = False) -> Server:
        mailbox = Mailbox()
        options: dict[str, Any] = {"decode_data": False, "enable_SMTPUTF8": True}
        if login:
            options |= {
                "authenticator": mailbox.authenticate,
                # aiosmtpd warns about asking for a login without STARTTLS.
                "auth_required": encryption is Encryption.STARTTLS,
                "auth_require_tls": encryption is Encryption.STARTTLS,
            }
        if encryption is Encryption.STARTTLS:
            options |= {"tls_context": server_context, "require_starttls": True}
        if encryption is Encryption.TLS:
            options["ssl_context"] = server_context
        controller = _Controller(mailbox, hostname="127.0.0.1", port=0, **options)
        controller.start()
        running.append(controller)
        return Server(controller.port, mailbox, controller)

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def make_account(ca_pem: str) -> Callable[..., Account]:
    def make(port: int, encryption: Encryption = Encryption.NONE, **changes: Any) -> Account:
        values: dict[str, Any] = {
            "host": "localhost",
            "port": port,
            "encryption": encryption,
            "login": Login.NONE,
            "username": USERNAME,
            "password": Secret(PASSWORD),
            "ca": ca_pem,
            "timeout": 5.0,
        }
        return Account(**values | changes)

    return make
