"""The servers, databases and processes of a run."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from benchmarks.cases import Case, Side
from benchmarks.lab import Lab
from benchmarks.postgres import Postgres
from benchmarks.service import Service
from benchmarks.site import SQLITE

from .cases import Sender
from .pair import Pair
from .site import Site


class OutboxLab(Lab):
    """What a run needs; everything is stopped and deleted at its end."""

    @property
    def sink(self) -> Service:
        """The server that all cases have."""
        server = self.server(Case("outbox", ()))
        assert isinstance(server, Service)
        return server

    def client(
        self, side: Side, port: int, *, secure: bool = True, threads: int = 1
    ) -> AbstractContextManager[Any]:
        """Start what one side is made of, with a new database; the caller stops it."""
        assert isinstance(side, Sender)
        site = Site(
            side.name, port, self._database(side.database), side.connections, side.in_flight
        )
        client = self._process("client", site)
        return Pair(client, self._process("worker", site), self.sink) if side.meanwhile else client

    def _process(self, role: str, site: Site) -> Service:
        return Service(
            f"benchmarks.outbox.{role}", json.dumps(asdict(site)), environment=self.trust
        )

    def _database(self, kind: str) -> dict[str, Any]:
        name = f"benchmark{next(self._numbers)}"
        if kind == "SQLite":
            return SQLITE | {"NAME": str(self._directory / f"{name}.sqlite3")}
        server: Postgres = self._once(("postgres",), Postgres)
        return server.database(name)
