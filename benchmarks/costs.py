"""Processor time of our own parts, a mail; measured inside the client's process.

What the kernel and OpenSSL need is left out: the kept connection answers from memory. (The tables
of the cases tell the processor time of whole mails over real connections.) What Django needs is
taken off: our mails take turns with others that Django alone builds and serialises.

To be imported once Django is set up.
"""

from __future__ import annotations

import email.policy
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import process_time
from typing import Any, cast

import django

from mailsetup.effective import resolve, snapshot
from mailsetup.smtp import Envelope, Session
from mailsetup.smtp.pool import pool

from . import mails

_ENVELOPE_TAKEN = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
_CONTENT_TAKEN = b"250 2.0.0 Ok: queued as 4XyZ1A2B3C\r\n"

Action = Callable[[], object]


def _own(count: int) -> dict[str, float]:
    """`send_mail` less building and serialising."""
    with _without_kernel():
        building, whole = _microseconds(count, _build_as_django, lambda: mails.send("text"))
    return {
        "Django's building and serialising": building,
        "send_mail in all": whole,
        "own": whole - building,
    }


def _build_as_django() -> bytes:
    message = mails.build("text")
    if django.VERSION >= (6, 0):
        return message.message(policy=email.policy.SMTP).as_bytes()
    return message.message().as_bytes(linesep="\r\n")


def _transport(count: int) -> dict[str, float]:
    """Ready bytes over a kept connection, one by one."""
    account = resolve(None).account
    envelopes = [Envelope("shop@example.com", (mails.RECIPIENT,), mails.ready("text"))]

    def send() -> None:
        if pool.send(account, envelopes)[0].error is not None:
            raise RuntimeError("a message failed")

    with _without_kernel():
        (spent,) = _microseconds(count, send)
    return {"transport": spent}


def _lookup(count: int) -> dict[str, float]:
    """The profile from memory."""
    resolve(None)
    assert snapshot._current is not None
    snapshot._current.good_until = float("inf")
    (spent,) = _microseconds(count, resolve)
    snapshot.forget()
    return {"lookup": spent}


def _probe(count: int) -> dict[str, float]:
    """The profile from memory after the database was asked whether it changed."""
    resolve(None)

    def probe() -> None:
        assert snapshot._current is not None
        snapshot._current.good_until = 0.0
        resolve(None)

    (spent,) = _microseconds(count, probe)
    return {"probe": spent}


class _Answering:
    """Stands for the socket of a kept connection; the server's answers come from memory."""

    def __init__(self, session: Session, real: socket.socket) -> None:
        # Kept, for the pool asks it whether the server has closed it.
        self._real = real
        self._session = session
        self._answers = b""

    def settimeout(self, seconds: float) -> None:
        """Do nothing: nothing is waited for."""

    def send(self, data: bytes) -> int:
        """Take a flight and have the answers ready."""
        # A connection that is worn out would be replaced by a real one.
        self._session.talk.count = 0
        if data[:4] == b"MAIL":
            self._answers += _ENVELOPE_TAKEN
        if b"BDAT" in data[:300]:
            self._answers += _CONTENT_TAKEN
        return len(data)

    def recv(self, size: int) -> bytes:
        """Return the answers."""
        answers, self._answers = self._answers, b""
        return answers

    def close(self) -> None:
        """Close the connection behind it."""
        self._real.close()


@contextmanager
def _without_kernel() -> Iterator[None]:
    """Have the kept connection of the profile answer from memory."""
    account = resolve(None).account
    session = pool.borrow(account)
    real = session.sock
    assert real is not None
    session.sock = cast("socket.socket", _Answering(session, real))
    pool.give_back(session)
    try:
        yield
    finally:
        pool.close_all()


def _microseconds(count: int, *actions: Action) -> list[float]:
    """Return the processor time of one call of each action; they take turns.

    The median of many short stretches.
    """
    # Two that are compared take turns call by call: each meets what the other left in the caches.
    stretch = max(1, count // 200) if len(actions) == 1 else 1
    spent: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    for _ in range(count // stretch):
        for action, times in zip(actions, spent, strict=True):
            began = process_time()
            for _ in range(stretch):
                action()
            times.append((process_time() - began) / stretch)
    return [median(times) * 1e6 for times in spent]


COSTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "own": _own,
    "transport": _transport,
    "lookup": _lookup,
    "probe": _probe,
}
