"""TLS contexts, built once for each set of trust anchors, verification and client certificate.

Loading the system's certificates takes longer than a whole mail. Certificates are verified
unless the account says otherwise.
"""

from __future__ import annotations

import functools
import os
import socket
import ssl
from typing import Final

from .account import Account
from .errors import (
    CertificateError,
    HandshakeError,
    HandshakeTimeoutError,
    InvalidAccountError,
    Outcome,
    Stage,
)

__all__ = ["context_for", "secure"]

# X509_V_ERR_CERT_HAS_EXPIRED: the server's people will renew it; ours have nothing to mend.
_EXPIRED: Final = 10


def context_for(account: Account) -> ssl.SSLContext:
    """Return the TLS context for *account*, from memory where there is one.

    Raises:
        InvalidAccountError: the CA text or the client certificate is of no use.
    """
    wrong = ""
    try:
        # Files carry their time, so that a renewed client certificate is seen.
        return _build(
            account.ca,
            account.verify,
            account.certfile or None,
            account.keyfile or None,
            _changed(account.certfile),
            _changed(account.keyfile),
        )
    except (OSError, TypeError, ValueError) as error:
        wrong = "certificate" if account.certfile or account.keyfile else "CA"
        if account.ca and not _loads(account.ca):
            wrong = "CA"
        detail = type(error).__name__
    sentence = (
        "The CA text holds no usable certificate"
        if wrong == "CA"
        else "The client certificate or its key could not be loaded"
    )
    raise InvalidAccountError(
        f"{sentence} ({detail}).",
        stage=Stage.TLS,
        outcome=Outcome.FIX_PROFILE,
        host=account.host,
        port=account.port,
    )


@functools.lru_cache(maxsize=64)
def _build(
    ca: str,
    verify: bool,
    certfile: str | None,
    keyfile: str | None,
    *_changes: float,
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if ca:
        context.load_verify_locations(cadata=_ascii(ca))
    if certfile or keyfile:
        # A key without a certificate fails here, as it does in Django's own backend.
        context.load_cert_chain(certfile or "", keyfile, password="")
    return context


def _changed(path: str | None) -> float:
    return os.stat(path).st_mtime if path else 0.0  # noqa: PTH116 - one system call, no object


def _ascii(ca: str) -> str:
    """Return PEM text as ``ssl`` takes it: only what stands around the certificates is lost."""
    return ca.encode("ascii", "ignore").decode("ascii")


def _loads(ca: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_ascii(ca))
    except (OSError, TypeError, ValueError):
        return False
    return True


def secure(
    account: Account, sock: socket.socket, context: ssl.SSLContext, seconds: float
) -> ssl.SSLSocket:
    """Return *sock* with TLS on it, or close it.

    Raises:
        HandshakeError: the handshake failed, was too slow, or the certificate is not trusted.
    """
    failure: OSError | ValueError | None = None
    try:
        sock.settimeout(max(0.001, seconds))
        return context.wrap_socket(sock, server_hostname=_tls_name(account))
    except (OSError, ValueError) as error:
        failure = error
    sock.close()
    raise _handshake_error(account, failure)


def _tls_name(account: Account) -> str:
    # Neither a root dot nor an IPv6 zone stands in a certificate.
    return account.ascii_host.rstrip(".").partition("%")[0]


def _handshake_error(account: Account, failure: OSError | ValueError) -> HandshakeError:
    kind: type[HandshakeError] = HandshakeError
    outcome = Outcome.RETRY
    name = f"{account.host}, port {account.port},"
    if isinstance(failure, ssl.SSLCertVerificationError):
        kind = CertificateError
        sentence = f"The certificate of {name} is not trusted: {failure.verify_message}."
        if failure.verify_code != _EXPIRED:
            outcome = Outcome.FIX_PROFILE
    elif isinstance(failure, TimeoutError):
        kind = HandshakeTimeoutError
        sentence = f"The TLS handshake with {name} did not finish in time."
    elif isinstance(failure, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
        sentence = f"{name} ended the connection during the TLS handshake."
    else:
        reason = getattr(failure, "reason", None) or type(failure).__name__
        words = str(reason).replace("_", " ").lower()
        sentence = f"The TLS handshake with {name} failed: {words}."
        outcome = Outcome.FIX_PROFILE
    error = kind(
        sentence,
        stage=Stage.TLS,
        outcome=outcome,
        host=account.host,
        port=account.port,
        errno=getattr(failure, "errno", None),
    )
    for fact in ("reason", "library", "verify_code", "verify_message"):
        if hasattr(failure, fact):
            setattr(error, fact, getattr(failure, fact))
    return error
