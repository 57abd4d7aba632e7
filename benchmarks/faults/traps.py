"""Traps: whoever comes to a place first, in whatever process, stays there until it is let go.

A trap is a file. To rename it is to be caught: the file system sees to it that only one is. What
is known of who was caught is written beside it, and who has set the trap reads it there. A mail
that was caught once is let pass from then on: one whose worker ends each time is set aside.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

# Seconds after which who was caught goes on by itself.
PATIENCE = 30.0
POLL = 0.005


class Traps:
    """The traps of one run.

    Args:
        folder: where their files are.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    # -- Who sets them

    def set(self, name: str) -> None:
        """Set one."""
        (self.folder / name).touch()

    def caught(self, name: str, seconds: float) -> dict[str, Any] | None:
        """Wait for somebody to be caught; return what is known of them, None for nobody."""
        until = time.monotonic() + seconds
        path = self.folder / f"{name}.facts"
        while not path.exists():
            if time.monotonic() > until:
                return None
            time.sleep(POLL)
        return dict(json.loads(path.read_text()))

    def take_back(self, name: str) -> bool:
        """Take a trap away; tell whether nobody was caught before that."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def clear(self, name: str) -> None:
        """Take a trap away, and let go who is in it."""
        for ending in ("", ".facts", ".caught"):
            (self.folder / f"{name}{ending}").unlink(missing_ok=True)

    # -- Who is caught

    def spring(self, name: str, *, recipient: str, **facts: Any) -> bool:
        """Tell whether the one who calls is caught.

        Args:
            name: the trap.
            recipient: of the mail that is worked on.
            facts: what is known of who calls.
        """
        met = self.folder / f"met {recipient}"
        if not (self.folder / name).exists() or met.exists():
            return False
        try:
            (self.folder / name).rename(self.folder / f"{name}.caught")
        except FileNotFoundError:
            return False
        met.touch()
        draft = self.folder / f"{name}.draft"
        draft.write_text(json.dumps({"recipient": recipient, **facts}))
        draft.rename(self.folder / f"{name}.facts")
        return True

    def holds(self, name: str) -> bool:
        """Tell whether who was caught has to stay."""
        return (self.folder / f"{name}.caught").exists()

    def stay(self, name: str) -> None:
        """Stay until let go."""
        until = time.monotonic() + PATIENCE
        while self.holds(name) and time.monotonic() < until:
            time.sleep(POLL)


def from_environment() -> Traps:
    """Return the traps of the run that started this process."""
    return Traps(os.environ["FAULTS_TRAPS"])
