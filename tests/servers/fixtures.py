"""Fixtures: the mail servers, started once for the whole run, when a test first asks for them.

`tests/servers/conftest.py` takes them in; a conftest elsewhere can do the same with
`from tests.servers.fixtures import *`. A test that asks for one carries the marker `servers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from .certificates import Certificates, make_certificates
from .dovecot import Dovecot, dovecot_missing
from .exim import Exim, exim_missing
from .mailbox import Mailbox
from .postfix import Postfix, postfix_missing
from .process import server_directory

Server = TypeVar("Server", Dovecot, Postfix, Exim)

__all__ = ["certificates", "dovecot", "exim", "mailbox", "postfix"]


def _need(*missing: str) -> None:
    for sentence in filter(None, missing):
        pytest.skip(sentence)


def _run(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """The authority all test servers' certificates come from."""
    with server_directory("tls") as directory:
        yield make_certificates(directory)


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A running Dovecot with the users of `tests.servers.dovecot.USERS`."""
    _need(dovecot_missing())
    with server_directory("dovecot") as directory:
        yield from _run(Dovecot(directory, certificates))


@pytest.fixture(scope="session")
def postfix(certificates: Certificates, request: pytest.FixtureRequest) -> Iterator[Postfix]:
    """A running Postfix that delivers to the Dovecot of the `dovecot` fixture."""
    _need(postfix_missing(), dovecot_missing())
    with server_directory("postfix") as directory:
        yield from _run(Postfix(directory, certificates, request.getfixturevalue("dovecot")))


@pytest.fixture(scope="session")
def exim(certificates: Certificates) -> Iterator[Exim]:
    """A running Exim with a mailbox of its own."""
    _need(exim_missing())
    with server_directory("exim") as directory:
        yield from _run(Exim(directory, certificates))


@pytest.fixture(scope="session")
def mailbox(dovecot: Dovecot) -> Callable[[str], Mailbox]:
    """Return the mailbox of a user of the test domain: `mailbox("an").fetch(message_id)`."""
    return lambda user: Mailbox(dovecot, user)
