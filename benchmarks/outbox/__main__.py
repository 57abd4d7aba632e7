"""Measures the outbox against its peers and prints what was reached.

    python -m benchmarks.outbox            all cases; about a quarter of an hour
    python -m benchmarks.outbox --quick    the same with fewer rounds
    python -m benchmarks.outbox --json     the figures as JSON, on standard output
    python -m benchmarks.outbox --docs     write table and chart into the documentation too

All servers run on this computer and are stopped at the end; nothing leaves it.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import Any

from benchmarks.command import Command, tell
from benchmarks.measure import run_case
from benchmarks.postgres import programs

from .cases import CASES, DATABASES, OURS, POST_OFFICE, Sender
from .lab import OutboxLab
from .report import OutboxRun


def measure(rounds: int, shrink: int, only: str = "") -> OutboxRun:
    """Run the cases, and measure the single figures.

    Args:
        rounds: of each case.
        shrink: send this many times fewer mails for the single figures.
        only: a part of the title of what runs; "costs, SQLite" names single figures.
    """
    run = OutboxRun()
    databases = [name for name in DATABASES if name == "SQLite" or programs() is not None]
    with OutboxLab() as lab:
        for case in CASES:
            if only not in case.title or not case.title.startswith(tuple(databases)):
                continue
            tell(case.title)
            result = run_case(lab, case, rounds, shrink)
            if result is None:
                tell("    passed over: django-post-office is not installed")
            else:
                run.results.append(result)
        for database in databases:
            if only in f"costs, {database}":
                tell(f"What it costs, {database}")
                run.callers[database], run.databases[database] = costs(
                    lab, database, rounds, shrink
                )
    return run


def costs(
    lab: OutboxLab, database: str, rounds: int, shrink: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return what `send_mail` costs its caller, and what a mail costs the database."""
    side = Sender(OURS, "ours", 0, database=database)
    with lab.client(side, lab.sink.hello["port"]) as client:
        # Imports, the first connection, the first prepared statements.
        client.ask(do="send", count=100, kind="text")
        callers = [client.ask(do="caller", count=600 // shrink) for _ in range(rounds)]
        parts = [client.ask(do="database", count=600 // shrink) for _ in range(rounds)]
    return _medians(callers), {name: _medians([one[name] for one in parts]) for name in parts[0]}


def _medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {name: median(row[name] for row in rows) for name in rows[0]}


COMMAND = Command(
    measure,
    rounds=5,
    quick=2,
    shrink=3,
    page="outbox-speed",
    first=POST_OFFICE,
    chart_title=f"Mails a second, as multiples of {POST_OFFICE}",
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(__doc__))
