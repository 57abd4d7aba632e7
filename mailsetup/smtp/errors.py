"""What can go wrong between here and the mail server, as exceptions that answer questions.

An error tells the stage it happened at, the reply code and enhanced status code (RFC 3463), and
the outcome: what whoever keeps the message does with it next. Each class is also the stock class
that existing code catches for the same event (:mod:`smtplib`, :class:`OSError` and its children).

This room judges by stage and code alone. What needs the words of a reply (a quota told as 550, a
rule of one provider) is for diagnosis to judge. No error holds a secret: not in its text, its
attributes, its pickle, its context or the frames of its traceback.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from enum import StrEnum
from typing import Any, Final, Self

__all__ = [
    "CertificateError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "ContentRefusedError",
    "GreetingError",
    "HandshakeError",
    "HandshakeTimeoutError",
    "HeloRefusedError",
    "InvalidAccountError",
    "InvalidAddressError",
    "LoginRefusedError",
    "NameLookupError",
    "NameLookupTimeoutError",
    "NotOfferedError",
    "Outcome",
    "PoolTimeoutError",
    "ProtocolError",
    "RecipientsRefusedError",
    "RefusedConnectionError",
    "ReplyTimeoutError",
    "SenderRefusedError",
    "Stage",
    "StartTLSRefusedError",
    "TooLargeError",
    "TransportError",
    "UnreachableError",
    "WithdrawnError",
    "judge",
]


class Stage(StrEnum):
    """How far a delivery got. TLS from the start comes before GREETING, STARTTLS after EHLO."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"
    ACCEPTED = "accepted"


class Outcome(StrEnum):
    """What becomes of a message after an attempt.

    HOLD (a quota) is never given by this room: no reply code alone tells it.
    """

    SENT = "sent"
    RETRY = "retry"
    HOLD = "hold"
    FIX_PROFILE = "fix_profile"
    STOP_PROFILE = "stop_profile"
    FAILED_RECIPIENT = "failed_recipient"
    FAILED_MESSAGE = "failed_message"
    AMBIGUOUS = "ambiguous"


_PERMANENT: Final = {
    Stage.LOGIN: Outcome.STOP_PROFILE,
    Stage.RECIPIENT: Outcome.FAILED_RECIPIENT,
    Stage.CONTENT: Outcome.FAILED_MESSAGE,
    Stage.ACCEPTED: Outcome.FAILED_MESSAGE,
}


def judge(stage: Stage, code: int | None) -> Outcome:
    """Return the outcome that a reply *code* at *stage* stands for (RFC 5321 section 4.2.1).

    No code (the connection broke, nothing answered) is worth another try. A 552 for a recipient
    is "too many recipients" from servers of the old school (RFC 5321 section 4.5.3.1.10); for a
    sender it is about the size declared with it (RFC 1870 section 6.1).
    """
    if code is None or code < 500 or (code == 552 and stage is Stage.RECIPIENT):
        return Outcome.RETRY
    if code == 552 and stage is Stage.SENDER:
        return Outcome.FAILED_MESSAGE
    return _PERMANENT.get(stage, Outcome.FIX_PROFILE)


class TransportError(smtplib.SMTPException):
    """A mail could not be handed over.

    Args:
        sentence: what happened, a whole English sentence without any secret.
        stage: where it happened.
        outcome: what to do with the message; judged from stage and code where not given.
        code: the reply code, None where no reply was read.
        enhanced_code: the RFC 3463 code, such as "5.7.8", or "".
        reply: the server's words on one line, scrubbed and bounded, or "".
        host: the server's name.
        port: the server's port.
        errno: the system's error number, where one is known.
    """

    def __init__(
        self,
        sentence: str,
        *,
        stage: Stage,
        outcome: Outcome | None = None,
        code: int | None = None,
        enhanced_code: str = "",
        reply: str = "",
        host: str = "",
        port: int = 0,
        errno: int | None = None,
    ) -> None:
        # The stock classes' own constructors want other arguments, and some of them format
        # the text by those; all of them are OSErrors underneath.
        OSError.__init__(self, sentence)
        self.errno = errno
        self.stage = stage
        self.outcome = judge(stage, code) if outcome is None else outcome
        self.code = code
        self.enhanced_code = enhanced_code
        self.reply = reply
        self.host = host
        self.port = port
        # How long it took to find out that there is no connection to be had.
        self.seconds = 0.0
        # What readers of the stock response exceptions look at.
        self.smtp_code: int = -1 if code is None else code
        # Without the code, as smtplib has it.
        self.smtp_error: Any = reply.removeprefix(f"{code} ").encode()

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), self.errno, dict(self.__dict__))

    def clean(self) -> Self:
        """Return this error without the frames and errors it went through."""
        self.__cause__ = self.__context__ = self.__traceback__ = None
        return self


def _rebuild(
    kind: type[TransportError], sentence: str, errno: int | None, state: dict[str, Any]
) -> TransportError:
    error = kind.__new__(kind)
    OSError.__init__(error, sentence)
    error.errno = errno
    error.__dict__.update(state)
    return error


class InvalidAccountError(TransportError, ValueError):
    """The account holds a value that must not reach the wire; nothing was sent."""


class InvalidAddressError(TransportError, ValueError):
    """An envelope address holds what must not reach the wire; nothing was sent for it."""


class NameLookupError(TransportError, socket.gaierror):
    """The host name could not be turned into an address."""


class NameLookupTimeoutError(NameLookupError, TimeoutError):
    """The name service did not answer in time."""


class UnreachableError(TransportError, ConnectionError):
    """No address of the server could be connected to."""


class RefusedConnectionError(UnreachableError, ConnectionRefusedError):
    """The server's machine refused the connection."""


class ConnectTimeoutError(UnreachableError, TimeoutError):
    """The server's machine did not answer the connection in time."""


class HandshakeError(TransportError, ssl.SSLError):
    """The TLS handshake failed."""

    reason = ""
    library = ""


class HandshakeTimeoutError(HandshakeError, TimeoutError):
    """The TLS handshake did not finish in time."""


class CertificateError(HandshakeError, ssl.SSLCertVerificationError):
    """The server's certificate is not trusted; `verify_code` tells OpenSSL's reason."""

    verify_code = 0
    verify_message = ""


class GreetingError(TransportError, smtplib.SMTPConnectError):
    """The server greeted with something other than 220."""


class HeloRefusedError(TransportError, smtplib.SMTPHeloError):
    """The server refused EHLO and HELO."""


class NotOfferedError(TransportError, smtplib.SMTPNotSupportedError):
    """The server does not offer what the account or the message needs."""


class StartTLSRefusedError(TransportError, smtplib.SMTPResponseException):
    """The server offered STARTTLS and refused the command."""


class LoginRefusedError(TransportError, smtplib.SMTPAuthenticationError):
    """The server refused the login."""


class SenderRefusedError(TransportError, smtplib.SMTPSenderRefused):
    """The server refused the envelope sender, named in `sender`."""

    sender = ""


class RecipientsRefusedError(TransportError, smtplib.SMTPRecipientsRefused):
    """The server refused recipients; `recipients` maps address to (code, reply)."""

    recipients: dict[str, tuple[int, bytes]] = {}


class ContentRefusedError(TransportError, smtplib.SMTPDataError):
    """The server refused the content of the message."""


class TooLargeError(ContentRefusedError):
    """The message is larger than the server takes; nothing of it was sent."""


class ConnectionLostError(TransportError, smtplib.SMTPServerDisconnected):
    """The connection ended before the reply that was waited for."""


class ReplyTimeoutError(ConnectionLostError, TimeoutError):
    """The server did not answer, or did not take bytes, in time."""


class ProtocolError(ConnectionLostError):
    """The server said what SMTP does not allow; the connection was dropped."""


class WithdrawnError(TransportError):
    """Whoever keeps the message took it back before any of its content was sent."""


class PoolTimeoutError(TransportError, TimeoutError):
    """No connection of the profile became free in time."""
