"""A mail server for one computer: it takes mail after TLS and a login, and keeps it in files.

Two ports of the loopback interface: STARTTLS on one, TLS from the start on the other. Its
certificate is signed by an authority of the demo's own, kept from run to run so that a profile
that trusts it goes on working. It relays nothing.
"""

import hmac
import secrets
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from config.demo import state

HOST = "127.0.0.1"
NAME = "localhost"
SIZE_LIMIT = 50 * 1024 * 1024


class MailServer:
    """The server on its two ports, running in threads of this process.

    Args:
        username: the account that may send.
        password: its password.
        mails: the directory that takes what arrives.
        starttls_ports: the ports to try in turn for STARTTLS; 0 stands for any free port.
        tls_ports: the same for TLS from the start.
    """

    def __init__(
        self,
        *,
        username: str,
        password: str,
        mails: Path,
        ca: trustme.CA,
        starttls_ports: Iterable[int] = (0,),
        tls_ports: Iterable[int] = (0,),
    ) -> None:
        self.username = username
        self.mails = mails
        self._credentials = (username.encode(), password.encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(NAME, HOST).configure_cert(context)
        self.starttls_port = free_port(starttls_ports)
        self.tls_port = free_port(port for port in tls_ports if port != self.starttls_port)
        common: dict[str, Any] = {
            "hostname": HOST,
            "server_hostname": NAME,
            "ident": "demo mail server",
            "authenticator": self._authenticate,
            "data_size_limit": SIZE_LIMIT,
        }
        self._controllers = [
            Controller(
                self,
                port=self.starttls_port,
                tls_context=context,
                require_starttls=True,
                **common,
            ),
            # All of this port's connections are encrypted, which aiosmtpd cannot see.
            Controller(
                self, port=self.tls_port, ssl_context=context, auth_require_tls=False, **common
            ),
        ]

    def start(self) -> None:
        """Listen on both ports."""
        for controller in self._controllers:
            controller.start()

    def stop(self) -> None:
        """Close both ports and end the threads."""
        for controller in self._controllers:
            controller.stop(no_assert=True)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        # Both are compared whole: the time taken tells nothing about either.
        right = hmac.compare_digest(data.login, self._credentials[0])
        right &= hmac.compare_digest(data.password, self._credentials[1])
        return AuthResult(success=right, handled=False)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse a sender that has not logged in (RFC 4954, section 6)."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail in a file, under trace lines as a real server adds them."""
        key = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"
        content = envelope.original_content or b""
        state.write_private(self.mails / f"{key}.eml", trace(key, session, envelope) + content)
        return f"250 2.0.0 Kept as {key}"


def trace(key: str, session: Session, envelope: Envelope) -> bytes:
    """Return the Return-Path, Delivered-To and Received lines (RFC 5321, section 4.4)."""
    lines = [f"Return-Path: <{envelope.mail_from or ''}>"]
    lines += [f"Delivered-To: {recipient}" for recipient in envelope.rcpt_tos]
    # After STARTTLS aiosmtpd keeps the TLS layer's facts in the session; with TLS from the start
    # they are not at hand.
    tls = session.ssl.get("cipher") if isinstance(session.ssl, dict) else None
    protocol = f"({tls[1]}) " if tls else ""
    lines += [
        f"Received: from {session.host_name} ([{session.peer[0]}])",
        f"\tby {NAME} {protocol}with ESMTPSA id {key};",
        f"\t{format_datetime(datetime.now(UTC))}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def free_port(ports: Iterable[int]) -> int:
    """Return the first of the ports that nobody listens on.

    Raises:
        OSError: all are taken.
    """
    problem: OSError | None = None
    for port in ports:
        with socket.socket() as probe:
            # As the servers do: a port whose last connections are still closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                problem = error
            else:
                return int(probe.getsockname()[1])
    raise problem or OSError("No port was given.")


def authority() -> trustme.CA:
    """Return the demo's certificate authority; the first call ever makes it."""
    state.make_directory()
    key = state.DIRECTORY / "ca.key"
    if key.exists() and state.CA_CERTIFICATE.exists():
        return trustme.CA.from_pem(state.CA_CERTIFICATE.read_bytes(), key.read_bytes())
    ca = trustme.CA(organization_name="mailsetup demo")
    state.write_private(key, ca.private_key_pem.bytes())
    state.write_private(state.CA_CERTIFICATE, ca.cert_pem.bytes())
    return ca
