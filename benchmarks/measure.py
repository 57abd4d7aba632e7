"""Runs cases in alternating rounds and makes figures of them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

from .cases import DJANGO, OURS, Case, Side
from .lab import Lab, postfix_program

# Modules that take part where they are installed.
_PEERS = frozenset({"aiosmtplib", "post_office", "mailer"})


@dataclass(frozen=True)
class Figures:
    """What one side of a case did; medians over the rounds.

    Attributes:
        ratio: mails a second as a multiple of the first side's, within a round.
        rate: mails a second.
        cpu: processor time of the client a mail, in microseconds.
        parts: what of it was spent on what, where the client tells.
        round_trips: counted by the proxy, a mail; None where there is none.
        peak: octets of memory above what was in use before, for one mail; None if not measured.
    """

    label: str
    ratio: float
    rate: float
    cpu: float
    parts: dict[str, float]
    round_trips: float | None = None
    peak: float | None = None


@dataclass(frozen=True)
class Result:
    """A case and the figures of its sides."""

    case: Case
    figures: list[Figures]

    def of(self, label: str) -> Figures | None:
        """Return the figures of one side, or None where it was not measured."""
        return next((one for one in self.figures if one.label == label), None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"title": self.case.title, "figures": [asdict(one) for one in self.figures]}


@dataclass(frozen=True)
class _Round:
    rate: float
    cpu: float
    parts: dict[str, float]
    round_trips: float | None


def run_case(lab: Lab, case: Case, rounds: int, shrink: int) -> Result | None:
    """Measure a case; None where what it needs is not installed.

    Args:
        rounds: how many are counted; one more before them warms up.
        shrink: send this many times fewer mails.
    """
    sides = [side for side in case.sides if _is_there(side)]
    if sides[0] is not case.sides[0] or (case.sink != "ours" and not postfix_program(case.sink)):
        return None
    proxy = None if case.rtt is None else lab.proxy(case, case.rtt)
    port = (proxy or lab.server(case)).hello["port"]
    rounds = min(rounds, case.rounds or rounds)
    shrink = 1 if case.loops else shrink
    seen: dict[str, list[_Round]] = {side.label: [] for side in sides}
    peaks: dict[str, float] = {}
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                lab.client(side, port, secure=case.secure, threads=_threads(side, case))
            )
            for side in sides
        ]
        for number in range(rounds + 1):
            for side, client in zip(sides, clients, strict=True):
                count = _count(side, case, shrink if number else max(shrink, 4))
                one = _one_round(client, proxy, count, case.kind)
                if number:
                    seen[side.label].append(one)
    if case.kind == "attachment":
        peaks = {side.label: _peak(lab, side, port, case.kind) for side in sides}
    first = seen[sides[0].label]
    return Result(
        case,
        [_figures(side.label, seen[side.label], first, peaks.get(side.label)) for side in sides],
    )


def _is_there(side: Side) -> bool:
    if side.name == "smtp-source":
        return postfix_program("smtp-source") is not None
    module = side.name.partition(" ")[0]
    return module not in _PEERS or find_spec(module) is not None


def _connections(side: Side) -> int:
    """Return how many connections a side uses at once by itself."""
    return int(side.name.partition(" x")[2] or 1)


def _threads(side: Side, case: Case) -> int:
    return 1 if _connections(side) > 1 else case.threads


def _count(side: Side, case: Case, shrink: int) -> int:
    # Shared out among threads, or connections, evenly.
    least = max(_connections(side), _threads(side, case))
    return max(least, side.count // shrink // least * least)


def _one_round(client: Any, proxy: Any, count: int, kind: str) -> _Round:
    before = proxy.ask() if proxy else {}
    answer = client.ask(do="send", count=count, kind=kind)
    after = proxy.ask() if proxy else {}
    trips = (after["round_trips"] - before["round_trips"]) / count if proxy else None
    parts = {name: spent / count * 1e6 for name, spent in answer.get("parts", {}).items()}
    return _Round(count / answer["seconds"], answer["cpu"] / count * 1e6, parts, trips)


def _peak(lab: Lab, side: Side, port: int, kind: str) -> float:
    # A process of its own: memory that an earlier mail left behind would hide this one's.
    with lab.client(side, port) as client:
        client.ask(do="send", count=1, kind="text")
        return float(client.ask(do="memory", kind=kind)["peak"])


def _figures(label: str, rounds: list[_Round], first: list[_Round], peak: float | None) -> Figures:
    trips = [one.round_trips for one in rounds if one.round_trips is not None]
    return Figures(
        label=label,
        ratio=median(one.rate / other.rate for one, other in zip(rounds, first, strict=True)),
        rate=median(one.rate for one in rounds),
        cpu=median(one.cpu for one in rounds),
        parts={name: median(one.parts[name] for one in rounds) for name in rounds[0].parts},
        round_trips=median(trips) if trips else None,
        peak=peak,
    )


# A connection of its own for each mail

FRESH = (Side(OURS, "fresh", 5), Side(DJANGO, "send_mail", 5, "django"))


def fresh_round_trips(lab: Lab, rounds: int) -> dict[str, dict[str, float]]:
    """Return the round trips of a mail on a new connection, for us and for Django.

    "by time" is what a mail takes longer for each millisecond of the round trip; it knows of
    waiting only. "counted" are the times that the client spoke after it was spoken to, QUIT
    included.
    """
    case = Case("fresh", FRESH)
    found = {}
    near, far = 20.0, 80.0
    for side in FRESH:
        slopes, counted = [], []
        with ExitStack() as stack:
            ways = []
            for rtt in (near, far):
                proxy = lab.proxy(case, rtt)
                client = stack.enter_context(lab.client(side, proxy.hello["port"]))
                client.ask(do="send", count=2, kind="text")
                ways.append((client, proxy))
            for _ in range(rounds):
                close, distant = (_one_round(*way, side.count, "text") for way in ways)
                slopes.append((1 / distant.rate - 1 / close.rate) / ((far - near) / 1000))
                counted.append(distant.round_trips or 0.0)
        found[side.label] = {"by time": median(slopes), "counted": median(counted)}
    return found


# Processor time

COSTS = (("lookup", 100_000), ("probe", 5_000), ("transport", 3_000), ("own", 1_500))


def costs(lab: Lab, rounds: int, shrink: int) -> dict[str, float]:
    """Return processor time in microseconds: of a look-up, of our part of a mail."""
    found: dict[str, list[float]] = {}
    server = lab.server(Case("costs", ()))
    with lab.client(Side(OURS, "send_mail", 1), server.hello["port"]) as client:
        client.ask(do="send", count=5, kind="text")
        for _ in range(rounds):
            for what, count in COSTS:
                answer = client.ask(do="cost", what=what, count=count // shrink)
                for name, value in answer.items():
                    found.setdefault(name, []).append(value)
    return {name: median(values) for name, values in found.items()}
