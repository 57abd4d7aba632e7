"""The process of a side that sends, while another one stores.

Ours is the worker that `mailsetup_worker` runs, which stands until it is stopped. The commands of
the others end when nothing waits any more; they are run again and again here, without the pause
that cron makes between two runs.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import process_time
from typing import Any

from benchmarks.service import Actions, serve

from .site import Site


class Sending:
    """What sends, in a thread of its own; it is told when to begin and when to end.

    Args:
        site: whose mails are sent.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        # One thread for all rounds, which keeps its connection to the database.
        self._thread = ThreadPoolExecutor(1)
        self._stop: Callable[[], None]
        self._run: Future[None]
        self._cpu = 0.0

    def begin(self) -> dict[str, Any]:
        """Send what is stored, and go on with what will be."""
        self._cpu = process_time()
        work, self._stop = self._ours() if self._site.peer == "ours" else self._again_and_again()
        self._run = self._thread.submit(work)
        return {}

    def end(self) -> dict[str, Any]:
        """Finish what is under way, and return the processor time of this process."""
        self._stop()
        self._run.result()
        return {"cpu": process_time() - self._cpu}

    def _ours(self) -> tuple[Callable[[], None], Callable[[], None]]:
        from mailsetup.delivery.outbox.engines import BATCH  # noqa: PLC0415 - with models
        from mailsetup.delivery.outbox.worker import Worker  # noqa: PLC0415
        from mailsetup.management.commands.mailsetup_worker import LOG  # noqa: PLC0415

        worker = Worker(
            threads=self._site.connections, batch=BATCH, tell=lambda tally: None, every=LOG
        )
        return worker.run, worker.stop

    def _again_and_again(self) -> tuple[Callable[[], None], Callable[[], None]]:
        stopped = threading.Event()

        def work() -> None:
            while not stopped.is_set():
                self._site.work()

        return work, stopped.set


def main() -> None:
    """Serve until standard input ends; the command line is the site, as JSON."""
    serve(lambda: _prepare(Site(**json.loads(sys.argv[1]))))


def _prepare(site: Site) -> Actions:
    site.set_up()
    sending = Sending(site)
    return {"begin": sending.begin, "end": sending.end}


if __name__ == "__main__":
    main()
