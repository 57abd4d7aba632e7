"""What our outbox costs beside the sending: the caller's time, and the database's part of a mail.

To be imported once Django is set up.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter, process_time
from typing import Any

from django.db import connection

from benchmarks import mails

Action = Callable[[], object]


def caller(count: int) -> dict[str, float]:
    """What `send_mail` takes of its caller, and what nobody could spare, in microseconds.

    The latter: building and serialising the mail as Django alone does, and one INSERT of the row
    that was stored through the ORM. Both take turns, mail by mail.
    """
    from benchmarks.costs import _build_as_django  # noqa: PLC0415
    from mailsetup.models import Message  # noqa: PLC0415 - where mailsetup is installed

    mails.send("text")
    stored = Message.objects.latest("pk")
    names = [field.attname for field in Message._meta.concrete_fields if not field.primary_key]
    values = {name: getattr(stored, name) for name in names}

    def least() -> None:
        _build_as_django()
        Message.objects.create(**values)

    spent: dict[str, list[tuple[float, float]]] = {"least": [], "send_mail": []}
    actions: dict[str, Action] = {"least": least, "send_mail": lambda: mails.send("text")}
    for _ in range(count):
        for name, action in actions.items():
            cpu, began = process_time(), perf_counter()
            action()
            spent[name].append((process_time() - cpu, perf_counter() - began))
    Message.objects.all().delete()
    ratios = [
        median(ours[part] for ours in spent["send_mail"])
        / median(other[part] for other in spent["least"])
        for part in (0, 1)
    ]
    return {
        "least": median(cpu for cpu, _ in spent["least"]) * 1e6,
        "send_mail": median(cpu for cpu, _ in spent["send_mail"]) * 1e6,
        "ratio": ratios[0],
        "ratio of time": ratios[1],
    }


def database(count: int) -> dict[str, Any]:
    """What the worker asks of the database for a mail, by what it does there.

    Returns:
        For each step: statements, transactions, and microseconds of waiting and of processor
        time, a mail.
    """
    from mailsetup.delivery.outbox import courier, workers  # noqa: PLC0415

    for _ in range(count):
        mails.send("text")
    meter = _Meter()
    worker = workers.identity()
    with meter.running():
        while courier.work_once(50, worker=worker):
            pass
    return {name: part.a_mail(count) for name, part in meter.parts.items()}


class _Part:
    """One step of a worker: what it asked of the database, and how long it took in all."""

    def __init__(self) -> None:
        self.statements: Counter[str] = Counter()
        self.waiting = 0.0
        self.seconds = 0.0
        self.cpu = 0.0

    def a_mail(self, count: int) -> dict[str, Any]:
        return {
            "statements": self.statements.total() / count,
            "waiting": self.waiting / count * 1e6,
            "seconds": self.seconds / count * 1e6,
            "cpu": self.cpu / count * 1e6,
        }


class _Meter:
    """Counts and times statements, each under the step that it serves."""

    def __init__(self) -> None:
        self.parts: dict[str, _Part] = defaultdict(_Part)
        self._at: list[str] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watch the steps of a worker in this thread."""
        from mailsetup.delivery.outbox import claims, courier  # noqa: PLC0415
        from mailsetup.delivery.outbox.due import Due  # noqa: PLC0415
        from mailsetup.delivery.outbox.journal import Journal  # noqa: PLC0415
        from mailsetup.delivery.outbox.standing import Standing  # noqa: PLC0415

        steps = [
            (courier, "work_once", "everything"),
            (Due, "most_urgent", "looking for what is due"),
            (Standing, "__init__", "reading how the profile stands"),
            (claims, "claim_due", "claiming"),
            (Journal, "leaving", "settling the mail before, marking this one"),
            (Journal, "flush", "settling the last of a batch"),
        ]
        originals = [(owner, name, getattr(owner, name)) for owner, name, _ in steps]
        for owner, name, step in steps:
            setattr(owner, name, self._timed(step, getattr(owner, name)))
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            for owner, name, original in originals:
                setattr(owner, name, original)

    def _timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            part = self.parts[step]
            self._at.append(step)
            cpu, began = process_time(), perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                part.seconds += perf_counter() - began
                part.cpu += process_time() - cpu
                self._at.pop()

        return timed

    def _execute(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        began = perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent = perf_counter() - began
            for step in {"everything", *self._at[-1:]}:
                self.parts[step].statements[sql.split(maxsplit=1)[0]] += 1
                self.parts[step].waiting += spent
