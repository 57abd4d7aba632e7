"""Who works here: a name for this process that tells, on the same computer, whether it still runs.

The name holds the host, the mark of its kernel's start (two computers may have the same name), the
PID namespace (so may two containers, which count their processes each from 1), the PID, and the
time at which the process started, because PIDs are used again.
"""

import os
import socket
import time
from functools import lru_cache
from pathlib import Path

from mailsetup.models import Lease

_BEGAN = time.time()


def identity() -> str:
    """Return the name of this process."""
    return _identity(os.getpid())


def take(name: str, holder: str, seconds: float) -> bool:
    """Take or renew a lease; one whose holder has ended is free.

    Args:
        name: what is leased.
        holder: who wants it: :func:`identity`, and after a ``#`` whatever tells more.
        seconds: how long it holds from now on.
    """
    if Lease.take(name, holder, seconds):
        return True
    other = Lease.objects.filter(name=name).values_list("holder", flat=True).first()
    if other is None or not has_ended(other.partition("#")[0]):
        return False
    Lease.release(name, other)
    return Lease.take(name, holder, seconds)


def has_ended(worker: str) -> bool:
    """Tell whether a worker is known to have ended; False for one that nothing is known of.

    Args:
        worker: what :func:`identity` returned there.
    """
    try:
        place, pid, start = worker.rsplit("/", 2)
        number = int(pid)
    except ValueError:
        return False
    if place != _place():
        return False
    started = _started(number)
    # Without /proc nothing tells one process with this PID from another: the claim's time decides.
    return started == "" and _proc_tells() if started in {"", "?"} else started != start


@lru_cache(maxsize=1)
def _identity(pid: int) -> str:
    started = _started(pid)
    return f"{_place()}/{pid}/{started if started not in {'', '?'} else int(_BEGAN)}"


def _place() -> str:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:18]
    except OSError:
        namespace = kernel = ""
    return f"{socket.gethostname()[:100]}/{kernel}/{namespace}"


def _proc_tells() -> bool:
    return _started(os.getpid()) not in {"", "?"}


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the computer did; "" where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError:
        return "?"
    # The command's name stands in brackets and may hold blanks; field 22 is the start.
    fields = text.rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        # It has ended, and nobody has asked how.
        return ""
    return fields[19]
