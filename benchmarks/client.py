"""One side of a comparison, as a process of its own.

It is set up by its command line, then told by lines of standard input how much to send, and
answers with seconds, processor time and memory.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from . import mails
from .service import Actions, serve
from .site import Site

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--backend", default="mailsetup")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--side", default="send_mail")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", default="off")
    options = parser.parse_args()
    serve(lambda: _prepare(options))


def _prepare(options: argparse.Namespace) -> Actions:
    site = Site(
        port=options.port,
        database=options.database,
        backend=options.backend,
        secure=not options.plain,
        connections=max(3, options.threads),
        log=options.log,
    )
    site.set_up()
    # Models may be imported from here on.
    from .costs import COSTS  # noqa: PLC0415
    from .sides import side  # noqa: PLC0415

    if options.backend == "mailsetup":
        site.save_profile()
    sender = side(options.side, site, options.threads)
    return {
        "send": partial(_send, sender),
        "memory": partial(_memory, sender),
        "cost": lambda what, count: COSTS[what](count),
    }


def _send(sender: Callable[[int, str], None], *, count: int, kind: str) -> dict[str, Any]:
    gc.collect()
    cpu, began = process_time(), perf_counter()
    sender(count, kind)
    return {"seconds": perf_counter() - began, "cpu": process_time() - cpu}


def _memory(sender: Callable[[int, str], None], *, kind: str) -> dict[str, Any]:
    """Send one mail and tell how far memory rose above what was in use before it."""
    mails.attachment()
    gc.collect()
    if not _CLEAR.exists():
        return {"error": "peak memory is only measured on Linux"}
    _CLEAR.write_text("5")
    idle = _kilobytes("VmRSS")
    sender(1, kind)
    return {"peak": (_kilobytes("VmHWM") - idle) * 1024}


def _kilobytes(name: str) -> int:
    line = next(row for row in _STATUS.read_text().splitlines() if row.startswith(name))
    return int(line.split()[1])


if __name__ == "__main__":
    main()
