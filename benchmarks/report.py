"""Tables of a run: the goals, every side of every case, and what it ran on."""

from __future__ import annotations

import os
import platform
import re
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from .cases import Goal
from .lab import postfix_program
from .measure import Result

_TIMES = " \N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Reached:
    """One line of the table of goals."""

    work: str
    goal: str
    figure: str
    reached: bool


def business() -> str:
    """Return how busy the computer is: beyond the benchmark's own part it blurs all figures."""
    return f"load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


@dataclass
class Run:
    """All that was measured.

    Attributes:
        peers: distributions, or Postfix, that took part if they are installed.
        before: how busy the computer was.
        results: of the cases.
    """

    peers: ClassVar[tuple[str, ...]] = ()

    before: str = field(default_factory=business)
    results: list[Result] = field(default_factory=list)

    def circumstances(self) -> str:
        """Return what it ran on, in one line."""
        names = [f"{name} {number}" for name, number in versions(*self.peers).items()]
        return "; ".join([*names, f"{self.before} before" if self.before else ""]).rstrip("; ")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "versions": versions(*self.peers),
            "before": self.before,
            "goals": [asdict(line) for line in self.goals()],
            "cases": [result.as_dict() for result in self.results],
        }

    def goals(self) -> list[Reached]:
        """Return what was to be reached, and what was."""
        return [
            line
            for result in self.results
            for goal in result.case.goals
            for line in ratio_lines(result, goal)
        ]

    def tables(self) -> Iterator[tuple[str, list[list[str]]]]:
        """Give out all tables, each with its title; that of the goals first."""
        yield "Goals", goal_rows(self.goals())
        for result in self.results:
            yield result.case.title, case_rows(result)


def ratio_lines(result: Result, goal: Goal) -> Iterable[Reached]:
    """Return the line of a goal, where its side was measured."""
    figures = result.of(goal.label)
    if figures is None:
        return
    wanted, found = f"≥ {times(goal.least)}", times(figures.ratio)
    reached = figures.ratio >= goal.least
    if goal.round_trips is not None and figures.round_trips is not None:
        wanted += f", ≤ {goal.round_trips} round trips a mail"
        found += f", {figures.round_trips:.2f} round trips"
        # Opening the connection falls into the round that warms up.
        reached = reached and figures.round_trips <= goal.round_trips
    yield Reached(goal.text, wanted, found, reached)


def goal_rows(goals: Iterable[Reached]) -> list[list[str]]:
    """Return the table of goals, its heading first."""
    rows = [
        [line.work, line.goal, line.figure, "yes" if line.reached else "**no**"] for line in goals
    ]
    return [["work", "goal", "figure", "reached"], *rows]


def case_rows(result: Result) -> list[list[str]]:
    """Return the table of one case, its heading first."""
    trips = any(one.round_trips is not None for one in result.figures)
    peaks = any(one.peak is not None for one in result.figures)
    parts = [f"of it {name}" for name in result.figures[0].parts]
    head = ["", "ratio", "mails a second", "client's processor time a mail", *parts]
    rows = [head + ["round trips a mail"] * trips + ["peak memory"] * peaks]
    for one in result.figures:
        row = [one.label, times(one.ratio), _number(one.rate), _time(one.cpu)]
        row += [_time(part) for part in one.parts.values()]
        row += [f"{one.round_trips:.2f}"] if one.round_trips is not None else []
        row += [f"{one.peak / 1e6:.0f} MB"] if one.peak is not None else []
        rows.append(row)
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text(rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal."""
    clean = [[cell.replace("`", "").replace("**", "") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in clean) for column in range(len(clean[0]))]
    lines = []
    for row in clean:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def versions(*peers: str) -> dict[str, str]:
    """Return what the run depends on.

    Args:
        peers: distributions, or Postfix, that took part if they are installed.
    """
    found = {
        "Python": platform.python_version(),
        "Django": version("django"),
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
        "cryptography": version("cryptography"),
    }
    for name in peers:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    if "Postfix" in peers and (postfix := _postfix_version()):
        found["Postfix"] = postfix
    found["system"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return found


def _postfix_version() -> str:
    program = postfix_program("postconf")
    if program is None:
        return ""
    done = subprocess.run(
        [program, "-d", "-h", "mail_version"], check=False, capture_output=True, text=True
    )
    match = re.search(r"\d+(\.\d+)+", done.stdout)
    return match.group() if match else ""


def times(ratio: float) -> str:
    """Return a ratio as people write it."""
    return f"{ratio:.3g}{_TIMES}" if ratio < 100 else f"{ratio:.0f}{_TIMES}"


def _number(rate: float) -> str:
    return f"{rate:.3g}" if rate < 100 else f"{rate:,.0f}"


def _time(microseconds: float) -> str:
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.3g} ms"
