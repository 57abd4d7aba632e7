"""What a server offers, and what this process has learnt of it.

An offer is believed for what it has shown to work. Until a pipelined envelope and a BDAT have
succeeded once, messages go out so that a failure is always safe to repeat; a server that fails at
what it offers is spoken to one command at a time, or without BDAT, for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Final

__all__ = ["Features", "Server", "forget", "server_for"]

_DISTRUST: Final = 3600.0
_MAX_SERVERS: Final = 256
# How often in a row a connection may end in doubt before no content leaves with its envelope.
_MOST_DOUBTS: Final = 3


class Server:
    """One server, as known from earlier connections."""

    __slots__ = (
        "changes",
        "chunks",
        "doubts",
        "no_chunking_until",
        "no_joining_until",
        "no_pipelining_until",
        "pipelines",
    )

    def __init__(self) -> None:
        self.changes = 0
        self.pipelines = False
        self.chunks = False
        self.doubts = 0
        self.no_joining_until = 0.0
        self.no_pipelining_until = 0.0
        self.no_chunking_until = 0.0

    def distrust_pipelining(self) -> None:
        """Speak one command at a time for an hour."""
        self.changes += 1
        self.pipelines = False
        self.no_pipelining_until = monotonic() + _DISTRUST

    def distrust_joining(self) -> None:
        """Begin no message behind the content of another for an hour."""
        self.changes += 1
        self.no_joining_until = monotonic() + _DISTRUST

    def distrust_chunking(self) -> None:
        """Use DATA for an hour."""
        self.changes += 1
        self.chunks = False
        self.doubts = 0
        self.no_chunking_until = monotonic() + _DISTRUST

    def doubt(self) -> None:
        """Count a connection that ended in doubt, since one that did not.

        Dovecot's submission service may crash at a BDAT behind a refused MAIL: each time the
        refusal is lost, and so would be those of all messages to come.
        """
        self.doubts += 1
        if self.doubts >= _MOST_DOUBTS:
            self.distrust_chunking()


_servers: dict[tuple[str, int], Server] = {}


def server_for(host: str, port: int) -> Server:
    """Return what is known of the server."""
    key = (host.lower(), port)
    known = _servers.get(key)
    if known is None:
        if len(_servers) >= _MAX_SERVERS:
            _servers.clear()
        known = _servers.setdefault(key, Server())
    return known


def forget() -> None:
    """Forget all servers."""
    _servers.clear()


class Features:
    """What one connection may use: offered in its EHLO, and not distrusted."""

    __slots__ = (
        "changes",
        "chunking",
        "eightbit",
        "joining",
        "pipelining",
        "size",
        "sized",
        "smtputf8",
        "source",
    )

    def __init__(self, offers: Mapping[str, str], server: Server) -> None:
        now = monotonic()
        self.source = offers
        self.changes = server.changes
        self.sized = "size" in offers
        limit = offers.get("size", "").strip()
        # RFC 1870 section 4: 0, or no number, names no limit.
        self.size = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 19 else 0
        self.eightbit = "8bitmime" in offers
        self.smtputf8 = "smtputf8" in offers
        self.pipelining = "pipelining" in offers and now >= server.no_pipelining_until
        # Haraka answers 503 to what comes behind the end of DATA, Courier throws it away; RFC 2920
        # section 3.1 allows it.
        self.joining = self.pipelining and now >= server.no_joining_until
        self.chunking = self.pipelining and "chunking" in offers and now >= server.no_chunking_until
