"""Tables of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import Reached, Run, times

from .cases import CALLER_GOAL


@dataclass
class OutboxRun(Run):
    """All that was measured.

    Attributes:
        callers: by database, what `send_mail` costs its caller.
        databases: by database and step, what a mail costs the worker there.
    """

    peers = ("django-post_office", "django-mailer", "psycopg")

    callers: dict[str, dict[str, float]] = field(default_factory=dict)
    databases: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return super().as_dict() | {"caller": self.callers, "database": self.databases}

    def goals(self) -> list[Reached]:
        """Return what was to be reached, and what was."""
        return [*super().goals(), *self._callers()]

    def tables(self) -> Iterator[tuple[str, list[list[str]]]]:
        """Give out all tables, each with its title; that of the goals first."""
        yield from super().tables()
        for database, parts in self.databases.items():
            yield f"The worker and its database, a mail, {database}", _database_rows(parts)

    def _callers(self) -> Iterator[Reached]:
        for database, found in self.callers.items():
            yield Reached(
                f"{database}, what `send_mail` costs its caller: against building and "
                "serialising the mail and one INSERT",
                f"≤ {times(CALLER_GOAL)}",
                f"{times(found['ratio'])} ({found['send_mail']:.0f} of "
                f"{found['least']:.0f} µs of processor time; {times(found['ratio of time'])} "
                "by the clock)",
                found["ratio"] <= CALLER_GOAL,
            )


def _database_rows(parts: dict[str, dict[str, float]]) -> list[list[str]]:
    rows = [["step", "statements", "waiting for the database", "in all", "processor time"]]
    for name, part in parts.items():
        times_of = [f"{part[key]:.0f} µs" for key in ("waiting", "seconds", "cpu")]
        rows.append([name, f"{part['statements']:.2f}", *times_of])
    return rows
