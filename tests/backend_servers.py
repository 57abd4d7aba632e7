"""Mail servers on the loopback interface, for the tests of the Django side.

They are aiosmtpd in threads of the test process, started once for a run and stopped at its end.
What reaches them is kept in memory, with every AUTH command counted.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMessage
from typing import Any

import django
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

USERNAME = "shop@example.com"
# Letters that ASCII lacks, and characters that shells and URLs take for their own.
PASSWORD = "canary-Ế$ecret#1 @:/?%41"
HOST = "127.0.0.1"


@dataclass
class Mail:
    """One mail as the server got it."""

    sender: str
    recipients: list[str]
    content: bytes
    options: list[str]
    # The number of the connection it came over.
    connection: int

    @property
    def parsed(self) -> ParsedMessage:
        return message_from_bytes(self.content, policy=policy.default)


class _Session(SMTP):
    """Counts what the server is asked, refused commands included."""

    number = 0

    async def handle_exception(self, error: Exception) -> str:
        self.event_handler.failures.append(error)
        return "451 4.3.0 The server of the test failed"

    def connection_made(self, transport: Any) -> None:
        # Twice for a connection with STARTTLS.
        if self.session is None or not self._over_ssl:
            self.event_handler.connections += 1
            self.number = self.event_handler.connections
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, ssl.SSLError):
            self.event_handler.failures.append(error)
        super().connection_lost(error)

    async def smtp_AUTH(self, arg: str) -> None:
        self.event_handler.auth_commands += 1
        await super().smtp_AUTH(arg)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # The port that the system chose, in place of 0.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            # It warns of a login without TLS, which is what some tests are about.
            warnings.simplefilter("ignore")
            return _Session(self.handler, **self.SMTP_kwargs)


@dataclass
class Server:
    """A server: what it got, and how it shall behave."""

    ca: str
    encryption: str
    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    connections: int = 0
    auth_commands: int = 0
    failures: list[Exception] = field(default_factory=list)
    # Recipients refused, with the reply; a content refused where a reply stands.
    refused: dict[str, str] = field(default_factory=dict)
    refuse_content: str = ""
    refuse_login: bool = False
    # Whether the connection ends where the content is complete.
    cut: bool = False
    # Whether it says that it takes several commands at once, which it does in any case.
    pipelining: bool = False
    # Seconds before it answers to a content.
    pause: float = 0.0
    # How many mails it takes before it answers to none until this is None again.
    most: int | None = None
    host: str = HOST

    def reset(self) -> None:
        """Forget what came, and behave well."""
        self.mails, self.failures, self.refused, self.refuse_content = [], [], {}, ""
        self.refuse_login = self.cut = self.pipelining = False
        self.pause = 0.0
        self.most = None
        self.connections = self.auth_commands = 0

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of a profile that reaches it, without the password."""
        return {
            "host": self.host,
            "port": self.port,
            "encryption": self.encryption,
            "ca": self.ca if self.encryption != "none" else "",
            "username": USERNAME,
            "timeout": 10,
        }

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=right and not self.refuse_login, handled=False)

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]] if self.pipelining else responses

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.pause)
        while self.most is not None and len(self.mails) >= self.most:
            await asyncio.sleep(0.02)
        if self.cut:
            server.transport.abort()
        if self.refuse_content:
            return self.refuse_content
        self.mails.append(
            Mail(
                envelope.mail_from,
                list(envelope.rcpt_tos),
                envelope.original_content,
                list(envelope.mail_options),
                server.number,
            )
        )
        return "250 2.0.0 kept"


def serve(authority: trustme.CA, encryption: str, **options: Any) -> Iterator[Server]:
    """Run one server on a free port until the generator is closed."""
    server = Server(ca=authority.cert_pem.bytes().decode(), encryption=encryption)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", HOST).configure_cert(context)
    options = {"authenticator": server.authenticate, "auth_require_tls": False} | options
    if encryption == "tls":
        options["ssl_context"] = context
    if encryption == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    controller = _Controller(
        server, hostname=HOST, port=0, server_hostname="localhost", enable_SMTPUTF8=True, **options
    )
    # The server's own warnings are no part of what the tests look for in the log.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    # Its own loop only, not ours: asyncio's checks of `-X dev` make it slow.
    controller.loop.set_debug(False)
    controller.start()
    server.port = controller.port
    yield server
    controller.stop(no_assert=True)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def _starttls(authority):
    yield from serve(authority, "starttls", auth_required=True)


@pytest.fixture(scope="session")
def _tls(authority):
    yield from serve(authority, "tls", auth_required=True)


@pytest.fixture(scope="session")
def _plain(authority):
    yield from serve(authority, "none")


@pytest.fixture
def server(_starttls):
    """A server that demands STARTTLS and a login."""
    _starttls.reset()
    return _starttls


@pytest.fixture
def tls_server(_tls):
    """A server with TLS from the start that demands a login."""
    _tls.reset()
    return _tls


@pytest.fixture
def plain_server(_plain):
    """A server without TLS that takes mail with and without a login."""
    _plain.reset()
    return _plain


@pytest.fixture
def stored(transactional_db, server):
    """The default profile of the site, stored, for the server with STARTTLS."""
    return store(server)


def store(server: Server, *, slug: str = "shop", password: str = PASSWORD, **fields: Any) -> Any:
    """Store a profile for a server, its password sealed."""
    from mailsetup.models import SMTPProfile

    values = server.settings | {"from_email": "shop@example.com", "force_from_email": False}
    profile = SMTPProfile(slug=slug, **(values | fields))
    profile.set_password(password)
    profile.save()
    return profile


@pytest.fixture
def ours(settings):
    """Put mailsetup's backend in force, which Django's test runner has replaced."""
    backend = "mailsetup.backends.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {
            "default": {"BACKEND": backend},
            "error-reports": {"BACKEND": backend, "OPTIONS": {"fail_silently": True}},
        }
    else:
        settings.EMAIL_BACKEND = backend
    return settings
