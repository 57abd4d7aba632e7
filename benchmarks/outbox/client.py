"""The process of a side that stores mails, and sends them itself where no other one does.

It is told by lines of standard input what to measure, and answers with lines of JSON.
"""

from __future__ import annotations

import gc
import json
import sys
from time import perf_counter, process_time
from typing import Any

from benchmarks import mails
from benchmarks.service import Actions, serve

from .site import Site


def main() -> None:
    """Serve until standard input ends; the command line is the site, as JSON."""
    serve(lambda: _prepare(Site(**json.loads(sys.argv[1]))))


def _prepare(site: Site) -> Actions:
    site.set_up()
    site.fill()
    # Models may be imported from here on.
    from . import costs  # noqa: PLC0415

    return {
        "send": lambda count, kind: _send(site, count, kind),
        "store": _store,
        "caller": costs.caller,
        "database": costs.database,
    }


def _send(site: Site, count: int, kind: str) -> dict[str, Any]:
    """From the first `send_mail` to the last mail accepted, all of it here."""
    gc.collect()
    began = perf_counter()
    storing = _store(count, kind)["cpu"]
    cpu = process_time()
    site.work()
    sending, ended = process_time() - cpu, perf_counter()
    return answer(ended - began, storing, sending)


def answer(seconds: float, storing: float, sending: float) -> dict[str, Any]:
    """Return what a round took: seconds, and seconds of processor time."""
    parts = {"storing": storing, "sending": sending}
    return {"seconds": seconds, "cpu": sum(parts.values()), "parts": parts}


def _store(count: int, kind: str) -> dict[str, Any]:
    cpu = process_time()
    for _ in range(count):
        mails.send(kind)
    return {"cpu": process_time() - cpu}


if __name__ == "__main__":
    main()
