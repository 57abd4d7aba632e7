"""One process at a time sweeps: the one that holds the lease."""

import random
from typing import Final

from mailsetup import conf
from mailsetup.delivery.outbox import workers
from mailsetup.delivery.outbox.sweep import sweep
from mailsetup.models import Lease

LEASE: Final = "sweep"


class Turn:
    """One process's turn at sweeping; it lasts until it is left, or not renewed in time.

    Args:
        worker: this process's name.
    """

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.is_ours = False

    def sweep(self) -> int:
        """Sweep if no other process does, and keep the turn.

        Returns:
            How many messages are due; 0 where another process sweeps.
        """
        # Longer than one round, so that who sweeps goes on; short enough to be missed soon.
        seconds = 1.5 * conf.option("SWEEP_SECONDS") + 5
        self.is_ours = workers.take(LEASE, self.worker, seconds)
        return sweep().due if self.is_ours else 0

    def leave(self) -> None:
        """Let another process sweep from now on."""
        if self.is_ours:
            self.is_ours = False
            Lease.release(LEASE, self.worker)


def next_round() -> float:
    """Return in how many seconds the next sweep is, no two processes alike."""
    return float(conf.option("SWEEP_SECONDS")) * random.uniform(0.9, 1.1)  # noqa: S311
