"""Measures the transport against its peers and prints what was reached.

    python -m benchmarks.transport            all cases; about ten minutes
    python -m benchmarks.transport --quick    the same with fewer mails and rounds
    python -m benchmarks.transport --json     the figures as JSON, on standard output
    python -m benchmarks.transport --docs     write table and chart into the documentation too

All servers run on this computer and are stopped at the end; nothing leaves it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import cases
from .cases import CASES, DJANGO, OURS
from .command import Command, tell
from .lab import Lab
from .measure import costs, fresh_round_trips, run_case
from .report import Reached, Run


@dataclass
class TransportRun(Run):
    """All that was measured.

    Attributes:
        fresh: by side, the round trips of a mail on a new connection, found in two ways.
        costs: processor time, in microseconds.
    """

    peers = ("aiosmtplib", "Postfix")

    fresh: dict[str, dict[str, float]] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        more = {"fresh connection": self.fresh, "processor time": self.costs}
        return super().as_dict() | more

    def goals(self) -> list[Reached]:
        """Return what was to be reached, and what was."""
        return [*super().goals(), *self._memory(), *self._fresh(), *self._costs()]

    def tables(self) -> Iterator[tuple[str, list[list[str]]]]:
        """Give out all tables, each with its title; that of the goals first."""
        yield from super().tables()
        if self.fresh:
            head = ["", *(f"round trips, {way}" for way in next(iter(self.fresh.values())))]
            found = self.fresh.items()
            rows = [[side, *(f"{trips:.1f}" for trips in ways.values())] for side, ways in found]
            yield "A connection for each mail", [head, *rows]
        if self.costs:
            rows = [[name, f"{spent:.3g} µs"] for name, spent in self.costs.items()]
            yield "Processor time", [["", "of one"], *rows]

    def _memory(self) -> Iterator[Reached]:
        for result in self.results:
            ours, django = result.of(OURS), result.of(DJANGO)
            if ours is None or django is None or ours.peak is None or django.peak is None:
                continue
            part = ours.peak / django.peak
            yield Reached(
                "10 MB attachment: peak memory above idle",
                f"≤ {cases.MEMORY_GOAL:g} of Django's",
                f"{part:.2f} ({ours.peak / 1e6:.0f} of {django.peak / 1e6:.0f} MB)",
                part <= cases.MEMORY_GOAL,
            )

    def _fresh(self) -> Iterator[Reached]:
        if self.fresh:
            ours, django = (self.fresh[name]["by time"] for name in (OURS, DJANGO))
            yield Reached(
                "fresh connection, STARTTLS + login",
                f"≤ {cases.FRESH_GOAL} round trips",
                f"{ours:.1f} (Django {django:.1f})",
                ours <= cases.FRESH_GOAL,
            )

    def _costs(self) -> Iterator[Reached]:
        wanted = (
            ("our own part of a mail on a kept connection", "own", cases.OWN_GOAL),
            ("the transport alone", "transport", cases.TRANSPORT_GOAL),
            ("profile look-up from memory", "lookup", cases.LOOKUP_GOAL),
            ("profile look-up with the version probe, SQLite", "probe", cases.PROBE_GOAL),
        )
        for work, name, goal in wanted:
            if name in self.costs:
                yield Reached(
                    f"processor time: {work}",
                    f"≤ {goal:g} µs",
                    f"{self.costs[name]:.3g} µs{self._made_of(name)}",
                    self.costs[name] <= goal,
                )

    def _made_of(self, name: str) -> str:
        """Tell what a difference is made of: it may be less than nothing."""
        if name != "own":
            return ""
        whole, django = (
            self.costs[part] for part in ("send_mail in all", "Django's building and serialising")
        )
        return f" ({whole:.0f} in all, less {django:.0f} that Django alone needs)"


def measure(rounds: int, shrink: int, only: str = "") -> TransportRun:
    """Run the cases.

    Args:
        rounds: of each case.
        shrink: send this many times fewer mails.
        only: a part of the title of the cases that run; "" runs all and the single figures.
    """
    run = TransportRun()
    with Lab() as lab:
        for case in CASES:
            if only in case.title:
                tell(case.title)
                result = run_case(lab, case, rounds, shrink)
                if result is None:
                    tell("    passed over: Postfix's test programs are not installed")
                else:
                    run.results.append(result)
        if not only or only == "fresh":
            tell("A connection for each mail")
            run.fresh = fresh_round_trips(lab, rounds)
        if not only or only == "costs":
            tell("Processor time")
            run.costs = costs(lab, rounds, shrink)
    return run


COMMAND = Command(
    measure,
    rounds=7,
    quick=3,
    shrink=4,
    page="transport",
    first=DJANGO,
    chart_title="Mails a second, as multiples of Django's send_mail",
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(__doc__))
