"""From a host name to a connected socket, within a time limit.

The system's name look-up takes no time limit, so it runs in a helper thread that is left behind
when it is too slow. Each address is tried in the order the system gives, the time shared out
among those left. The address that was checked is the address that is connected to.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from time import monotonic
from typing import Any, Final

from .account import Account
from .errors import (
    ConnectTimeoutError,
    NameLookupError,
    NameLookupTimeoutError,
    RefusedConnectionError,
    Stage,
    TransportError,
    UnreachableError,
)

__all__ = ["Address", "dial", "resolve"]

Address = tuple[int, Any]
_MAX_ADDRESSES: Final = 8
# Look-ups that hang are left behind; beyond this many the name service counts as down.
_lookups = threading.BoundedSemaphore(32)


def _after_fork() -> None:
    # The threads that would have given their places back do not exist in the child.
    global _lookups  # noqa: PLW0603
    _lookups = threading.BoundedSemaphore(32)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="mailsetup-dns", daemon=True)
        self._query = (host, port)
        self._places = _lookups
        self.found: list[Address] = []
        self.failure: tuple[int, str] | None = None

    def run(self) -> None:
        try:
            rows = socket.getaddrinfo(*self._query, type=socket.SOCK_STREAM)
            self.found = [(row[0], row[4]) for row in rows]
        except OSError as error:
            self.failure = (error.errno or 0, error.strerror or str(error))
        except UnicodeError:
            self.failure = (socket.EAI_NONAME, "the name is not valid")
        finally:
            self._places.release()


def resolve(account: Account, until: float) -> list[Address]:
    """Return the server's addresses, found before the monotonic time *until*.

    Raises:
        NameLookupError: the name is unknown, or no answer came in time.
    """
    host, port = account.ascii_host, account.port
    lookup: _Lookup | None = None
    limit = min(until - monotonic(), account.timeout)
    if limit > 0 and _lookups.acquire(timeout=limit):
        lookup = _Lookup(host, port)
        try:
            lookup.start()
        except RuntimeError:
            # Python starts no thread any more at the end of a process, where the last mails may
            # still be on their way.
            lookup.run()
        else:
            lookup.join(max(0.0, min(until - monotonic(), limit)))
    if lookup is None or lookup.is_alive():
        raise NameLookupTimeoutError(
            f"The name service did not tell the address of {host} in time.",
            stage=Stage.DNS,
            host=host,
            port=port,
            errno=socket.EAI_AGAIN,
        )
    if lookup.failure is not None or not lookup.found:
        number, words = lookup.failure or (socket.EAI_NONAME, "no address")
        raise NameLookupError(
            f"The address of {host} was not found: {words}.",
            stage=Stage.DNS,
            host=host,
            port=port,
            errno=number,
        )
    return list(dict.fromkeys(lookup.found))[:_MAX_ADDRESSES]


def dial(account: Account, addresses: list[Address], until: float) -> socket.socket:
    """Connect to the first of *addresses* that answers, before the monotonic time *until*.

    Raises:
        UnreachableError: none did; it is the class of the most telling failure.
    """
    until = min(until, monotonic() + account.timeout)
    failures: list[OSError] = []
    for index, (family, address) in enumerate(addresses):
        left = until - monotonic()
        if left <= 0:
            failures.append(TimeoutError(errno.ETIMEDOUT, "timed out"))
            break
        if account.allow_address is not None and not account.allow_address(str(address[0])):
            # Looks like any refusal, so that nobody learns from it what is forbidden.
            failures.append(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
            continue
        try:
            return _dial_one(family, address, left / (len(addresses) - index))
        except OSError as error:
            failures.append(error.with_traceback(None))
    raise _unreachable(account, failures)


def _dial_one(family: int, address: Any, seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
        # Commands that need an answer must not wait for the acknowledgement of earlier ones.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _unreachable(account: Account, failures: list[OSError]) -> TransportError:
    kind: type[UnreachableError] = UnreachableError
    if any(isinstance(failure, ConnectionRefusedError) for failure in failures):
        kind, words, number = RefusedConnectionError, "refused the connection", errno.ECONNREFUSED
    elif any(isinstance(failure, TimeoutError) for failure in failures):
        kind, words, number = ConnectTimeoutError, "did not answer in time", errno.ETIMEDOUT
    else:
        last = failures[-1]
        words = f"could not be reached: {last.strerror or type(last).__name__}"
        number = last.errno or 0
    return kind(
        f"{account.host}, port {account.port}, {words}.",
        stage=Stage.CONNECT,
        host=account.host,
        port=account.port,
        errno=number,
    )
