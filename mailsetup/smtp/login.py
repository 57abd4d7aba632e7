"""Signing in: one AUTH command (RFC 4954), the best mechanism both sides know, UTF-8.

A refused login is never tried again by another mechanism: to the server each is a wrong password,
and a few of them lock the account.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from .account import Account, Login
from .errors import InvalidAccountError, LoginRefusedError, NotOfferedError, Outcome, Stage
from .replies import Reply
from .scrub import MASK, Scrubber
from .wire import Wire

__all__ = ["Credentials", "log_in"]

# Inside TLS the password is safe on the way, and PLAIN works with every way a server may store
# it; without TLS the one that never sends it comes first.
_INSIDE_TLS: Final = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_CLEAR: Final = ("CRAM-MD5", "PLAIN", "LOGIN")
# RFC 4954 section 4: a longer initial response goes into a line of its own.
_MAX_LINE: Final = 510


class Credentials:
    """A username and an opened password, kept out of sight."""

    __slots__ = ("_open", "scrub", "username")

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self._open: Callable[[], str] = lambda: password
        plain = base64.b64encode(self.plain()).decode("ascii")
        self.scrub = Scrubber([password], [plain])

    def __repr__(self) -> str:
        return "Credentials(********)"

    @classmethod
    def reveal(cls, account: Account) -> Credentials | None:
        """Open the account's secret, or return None where it needs no login.

        Raises:
            InvalidAccountError: username or password is empty, or cannot be sent.
            Exception: what the secret's own source raises.
        """
        if account.login is Login.NONE:
            return None
        password = account.password.reveal()
        wrong = _wrong(account.username, password)
        if not wrong:
            return cls(account.username, password)
        # The frame of a raise is shown on debug pages, with its variables.
        del password
        raise InvalidAccountError(
            wrong,
            stage=Stage.LOGIN,
            outcome=Outcome.FIX_PROFILE,
            host=account.host,
            port=account.port,
        )

    def plain(self) -> bytes:
        """Return the PLAIN message (RFC 4616)."""
        return f"\0{self.username}\0{self._open()}".encode()

    def cram_md5(self, challenge: bytes) -> bytes:
        """Return the CRAM-MD5 answer (RFC 2195)."""
        digest = hmac.new(self._open().encode(), challenge, "md5").hexdigest()
        return f"{self.username} {digest}".encode()

    def password(self) -> bytes:
        """Return the password's octets."""
        return self._open().encode()


def _wrong(username: str, password: str) -> str:
    if not username:
        return "The account signs in, but its username is empty."
    if not password:
        return "The account signs in, but its password is empty."
    if "\0" in password:
        return "The password holds a NUL character, which no server can be told."
    try:
        username.encode()
        password.encode()
    except UnicodeEncodeError:
        return "The username or the password is not valid text."
    return ""


def log_in(wire: Wire, credentials: Credentials, *, encrypted: bool) -> Reply:
    """Sign in with one AUTH command.

    Args:
        wire: a connection after EHLO.
        credentials: who, and the opened secret.
        encrypted: whether TLS is on.

    Raises:
        NotOfferedError: no AUTH, or no mechanism in common; nothing was sent.
        LoginRefusedError: the server said no.
        ConnectionLostError: the connection ended.
    """
    if not wire.has_extn("auth"):
        raise wire.failed(
            NotOfferedError,
            f"{wire.account.host}, port {wire.account.port}: "
            "SMTP AUTH extension not supported by server.",
            outcome=Outcome.FIX_PROFILE,
        )
    offered = str(wire.esmtp_features["auth"]).upper().split()
    mechanism = _choose(offered, encrypted=encrypted)
    if mechanism is None:
        raise wire.failed(
            NotOfferedError,
            f"{wire.account.host}, port {wire.account.port}, offers no way to sign in with a "
            f"password (it offers {', '.join(offered) or 'none'}).",
            outcome=Outcome.FIX_PROFILE,
        )
    reply = _exchange(wire, credentials, mechanism)
    if reply.code != 235:
        raise wire.failed(
            LoginRefusedError,
            f"{wire.account.host}, port {wire.account.port}, refused the login",
            reply,
        )
    return reply


def _choose(offered: list[str], *, encrypted: bool) -> str | None:
    for mechanism in _INSIDE_TLS if encrypted else _IN_CLEAR:
        # Systems under FIPS rules have no MD5.
        if mechanism in offered and (
            mechanism != "CRAM-MD5" or "md5" in hashlib.algorithms_available
        ):
            return mechanism
    return None


def _exchange(wire: Wire, credentials: Credentials, mechanism: str) -> Reply:
    answers: list[Callable[[bytes], bytes]]
    if mechanism == "PLAIN":
        initial = base64.b64encode(credentials.plain())
        if len(initial) + len("AUTH PLAIN ") <= _MAX_LINE:
            wire.write(b"AUTH PLAIN " + initial + b"\r\n", f"AUTH PLAIN {MASK}")
            answers = []
        else:
            wire.write(b"AUTH PLAIN\r\n")
            answers = [lambda _: credentials.plain()]
    elif mechanism == "LOGIN":
        # Servers ask for the username and the password in turn, whatever words they use.
        wire.write(b"AUTH LOGIN\r\n")
        answers = [lambda _: credentials.username.encode(), lambda _: credentials.password()]
    else:
        wire.write(b"AUTH CRAM-MD5\r\n")
        answers = [credentials.cram_md5]
    reply = wire.read_reply()
    for answer in answers:
        if reply.code != 334:
            return reply
        wire.write(base64.b64encode(answer(_challenge(reply))) + b"\r\n", MASK)
        reply = wire.read_reply()
    if reply.code == 334:
        # It asks on after all was said: "*" cancels (RFC 4954 section 4) and brings its no.
        wire.write(b"*\r\n")
        reply = wire.read_reply()
    return reply


def _challenge(reply: Reply) -> bytes:
    try:
        return base64.b64decode(reply.text)
    except binascii.Error:
        return b""
