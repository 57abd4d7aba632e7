"""A process that stores mails, and another one that sends them meanwhile.

The two together answer as the one process does that first stores and then sends.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from time import perf_counter, sleep
from typing import Any

from benchmarks.service import Service, ServiceError

from .client import answer

# Seconds between two looks at what the server has accepted, and how long it may get nothing.
LOOK = 0.005
STALLED = 60.0


class Pair(AbstractContextManager["Pair"]):
    """The web site of a side and its worker.

    Args:
        client: stores.
        worker: sends.
        sink: the server, which knows how many mails it has accepted.
    """

    def __init__(self, client: Service, worker: Service, sink: Service) -> None:
        self._client = client
        self._worker = worker
        self._sink = sink
        self._stack = ExitStack()
        for service in (client, worker):
            self._stack.enter_context(service)

    def ask(self, *, do: str, count: int, kind: str) -> dict[str, Any]:
        """From the first `send_mail` to the last mail accepted.

        The worker begins when the first mail is stored: how long one that sleeps, or cron, would
        take to find it there is no matter of how fast it sends.

        Raises:
            ServiceError: the worker failed, or sent a mail twice.
        """
        assert do == "send"
        due = self._accepted() + count
        began = perf_counter()
        storing = self._store(1, kind)
        self._worker.ask(do="begin")
        storing += self._store(count - 1, kind)
        self._wait(due)
        seconds = perf_counter() - began
        sending = self._worker.ask(do="end")["cpu"]
        if self._accepted() != due:
            raise ServiceError(f"More mails were accepted than the {count} that were sent.")
        return answer(seconds, storing, sending)

    def _store(self, count: int, kind: str) -> float:
        return float(self._client.ask(do="store", count=count, kind=kind)["cpu"])

    def _accepted(self) -> int:
        return int(self._sink.ask()["messages"])

    def _wait(self, due: int) -> None:
        seen, until = 0, perf_counter() + STALLED
        while (accepted := self._accepted()) < due:
            if accepted > seen:
                seen, until = accepted, perf_counter() + STALLED
            elif perf_counter() > until:
                # It tells of its error, if that is the reason.
                self._worker.ask(do="end")
                raise ServiceError(f"{due - accepted} mails were not sent.")
            sleep(LOOK)

    def __exit__(self, *error: object) -> None:
        self._stack.close()
