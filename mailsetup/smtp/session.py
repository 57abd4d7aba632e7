"""One connection to an SMTP server: opened, signed in, and sending.

:class:`Session` is a :class:`smtplib.SMTP`; code that looks at `sock`, `timeout` or
`esmtp_features`, or calls `sendmail`, finds what it knows. What it adds: a stage on each error, a
deadline for the whole, TLS that is demanded where chosen (no byte in clear follows a failed
STARTTLS), and one AUTH command instead of one for each mechanism.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from . import batch, forking
from .account import Account, Encryption
from .connect import dial, resolve
from .envelope import Envelope, Receipt, Watch
from .errors import (
    ConnectionLostError,
    GreetingError,
    HeloRefusedError,
    LoginRefusedError,
    NotOfferedError,
    Outcome,
    ProtocolError,
    Stage,
    StartTLSRefusedError,
    TransportError,
)
from .login import Credentials, log_in
from .replies import Reply
from .scrub import printable
from .talk import Talk
from .tls import context_for, secure
from .transcript import Transcript
from .wire import Wire

__all__ = ["Envelope", "Receipt", "Session"]

_DOTTED_NAME: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class Session(Wire):
    """An SMTP session of one account."""

    def __init__(self, account: Account, transcript: Transcript | None = None) -> None:
        super().__init__(account, transcript)
        self.server = ""
        self.born = monotonic()
        self._context: ssl.SSLContext | None = None
        # What the conversation on this connection has come to; kept by `batch`.
        self.talk = Talk()
        forking.watch(self)

    # Opening

    @classmethod
    def open(
        cls,
        account: Account,
        *,
        transcript: Transcript | None = None,
        expires: float | None = None,
    ) -> Self:
        """Connect, start TLS and sign in, as the account says.

        The secret is opened before anything is sent.

        Args:
            account: whom to talk to.
            transcript: takes down the conversation.
            expires: monotonic time to be done by; from the account where not given.

        Raises:
            TransportError: it failed; `stage` tells where.
            Exception: what the secret's own source raises.
        """
        session = cls(account, transcript)
        failure = session._establish(expires)
        if failure is not None:
            raise failure
        return session

    def _establish(self, expires: float | None) -> BaseException | None:
        # Errors leave here as values, without the frames below, which have seen the secret.
        failure: BaseException | None = None
        began = monotonic()
        try:
            self._open(expires)
        except TransportError as error:
            failure = error.clean()
            failure.seconds = monotonic() - began
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            failure = error.with_traceback(None)
        if failure is not None:
            if self.transcript is not None:
                self.transcript.add("*", str(failure))
            self.close()
        return failure

    def _open(self, expires: float | None) -> None:
        account = self.account
        account.check()
        self.stage = Stage.LOGIN
        credentials = Credentials.reveal(account)
        if credentials is not None:
            self.scrub = credentials.scrub
            if self.transcript is not None:
                self.transcript.hide(credentials.scrub)
        self.stage = Stage.DNS
        if account.encryption is not Encryption.NONE:
            self._context = context_for(account)
        self.expires = monotonic() + account.time_to_open() if expires is None else expires
        code, text = self.connect(account.ascii_host, account.port)
        if code != 220:
            raise self._refused(GreetingError, "did not welcome the connection", Reply(code, text))
        self.server = printable(text.decode("utf-8", "replace"))
        self._hello()
        if account.encryption is Encryption.STARTTLS:
            self.stage = Stage.TLS
            self.starttls()
            self._hello()
        if credentials is not None:
            self.stage = Stage.LOGIN
            self._sign_in(credentials)
        self.expires = math.inf

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        account = self.account
        self.stage = Stage.DNS
        addresses = resolve(account, self.expires)
        self.stage = Stage.CONNECT
        sock = dial(account, addresses, self.expires)
        if self.transcript is not None:
            peer = sock.getpeername()
            self.transcript.add("*", f"connected to {peer[0]}, port {peer[1]}")
        if account.encryption is Encryption.TLS and self._context is not None:
            self.stage = Stage.TLS
            sock = secure(account, sock, self._context, self._step())
            self._tell_tls(sock)
        self._name_ourselves(sock)
        self.stage = Stage.GREETING
        return sock

    def _step(self) -> float:
        return min(self.account.timeout, self.expires - monotonic())

    def _name_ourselves(self, sock: socket.socket) -> None:
        name = self.account.ehlo_name or socket.gethostname()
        if not self.account.ehlo_name and not _DOTTED_NAME.fullmatch(name):
            # RFC 5321 section 4.1.4: an address literal where there is no full name.
            own = str(sock.getsockname()[0]).partition("%")[0]
            name = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        self.local_hostname = name

    def _hello(self) -> None:
        self.stage = Stage.EHLO
        code, text = self.ehlo()
        if 500 <= code < 600 and self.sock is not None:
            # RFC 5321 section 3.2: a server without extensions knows HELO only.
            code, text = self.helo()
        if not 200 <= code < 300:
            raise self._refused(HeloRefusedError, "refused our greeting", Reply(code, text))

    def _sign_in(self, credentials: Credentials) -> Reply:
        encrypted = isinstance(self.sock, ssl.SSLSocket)
        if self.account.encryption is not Encryption.NONE and not encrypted:
            raise self.failed(ProtocolError, f"The connection to {self._name} is not encrypted.")
        failure: TransportError | None = None
        try:
            return log_in(self, credentials, encrypted=encrypted)
        except TransportError as error:
            failure = error
        if isinstance(failure, LoginRefusedError) and failure.code != 421:
            self.quit()
        raise failure.clean()

    def _refused(self, kind: type[TransportError], what: str, reply: Reply) -> TransportError:
        return self.failed(kind, f"{self._name} {what}", reply)

    # What smtplib offers, made safe

    def starttls(
        self, *args: Any, context: ssl.SSLContext | None = None, **kwargs: Any
    ) -> tuple[int, bytes]:
        """Start TLS (RFC 3207), or raise; the account's context serves where none is given."""
        if not self.has_extn("starttls"):
            raise self.failed(
                NotOfferedError,
                f"{self.account.host}, port {self.account.port}: "
                "STARTTLS extension not supported by server.",
                outcome=Outcome.FIX_PROFILE,
            )
        code, text = self.docmd("STARTTLS")
        if code != 220:
            raise self._refused(StartTLSRefusedError, "refused STARTTLS", Reply(code, text))
        if self._inbox or self.sock is None:
            # What stands here was put there in clear, to be believed inside TLS.
            self.close()
            raise self.failed(
                ProtocolError,
                f"{self._name} sent more than its agreement to STARTTLS before the handshake.",
                outcome=Outcome.FIX_PROFILE,
            )
        sock, self.sock = self.sock, None
        context = context or self._context or context_for(self.account)
        self.sock = secure(self.account, sock, context, self._step())
        self._tell_tls(self.sock)
        # RFC 3207 section 4.2: what was learnt in clear is forgotten.
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        return code, text

    def login(
        self, user: str, password: str, *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Sign in with one AUTH command; EHLO must have been said."""
        self.stage = Stage.LOGIN
        credentials = Credentials(user, password)
        del password
        self.scrub = credentials.scrub
        reply = self._sign_in(credentials)
        return reply.code, reply.text

    def quit(self) -> tuple[int, bytes]:
        """Say QUIT and close, without waiting for the answer; never raises.

        Nothing depends on the answer, and waiting costs a round trip.
        """
        self.disown()
        if self.sock is not None:
            try:
                self.expires = monotonic() + min(1.0, self.account.timeout)
                self.write(b"QUIT\r\n")
            except ConnectionLostError:
                # The connection is gone already.
                pass
        self.close()
        return 221, b""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.quit()

    # Sending

    def send(self, s: Any) -> Any:
        """Send envelopes; one receipt for each, in order.

        Never raises for a message that fails or a connection that is lost: the receipt tells.
        Given text or bytes instead, it is smtplib's method of that name.
        """
        if isinstance(s, (str, bytes, bytearray, memoryview)):
            return super().send(s)
        return self.deliver(s)

    def deliver(
        self,
        envelopes: Sequence[Envelope],
        *,
        expires: float | None = None,
        watch: Watch | None = None,
    ) -> list[Receipt]:
        """Send *envelopes*; one receipt for each, in order.

        Args:
            envelopes: what to send.
            expires: monotonic time to be done by.
            watch: told of each message while it happens.
        """
        return batch.deliver(self, self.talk, envelopes, expires, watch)

    def follow(self, transcript: Transcript) -> None:
        """Have *transcript* take down what is said from now on."""
        transcript.hide(self.scrub)
        transcript.add("*", "continues a session that was kept")
        self.transcript = transcript

    # What there is to see

    @property
    def tls_version(self) -> str:
        """The TLS version, such as "TLSv1.3", or ""."""
        return (self.sock.version() or "") if isinstance(self.sock, ssl.SSLSocket) else ""

    @property
    def cipher(self) -> str:
        """The cipher's name, or ""."""
        cipher = self.sock.cipher() if isinstance(self.sock, ssl.SSLSocket) else None
        return cipher[0] if cipher else ""

    def _tell_tls(self, sock: socket.socket) -> None:
        if self.transcript is not None and isinstance(sock, ssl.SSLSocket):
            cipher = sock.cipher()
            self.transcript.add("*", f"{sock.version()} {cipher[0] if cipher else ''}")
