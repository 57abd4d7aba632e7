"""The embedded engine: a few threads of the process that stored the mail deliver it.

A notice only wakes them, and they take whatever is most urgent. The process takes turns at sweeping
with the others of the site, so that retries go on: from its first mail on, or its first request.

At the end of the process what is under way is finished, and what waits goes out for a moment more;
the rest is another process's. The messages of a process that was killed are found by the sweep of
another, or of its own next start.
"""

import atexit
import os
from collections.abc import Sequence
from typing import Final

from mailsetup import conf
from mailsetup.delivery.outbox.engines.crew import Crew
from mailsetup.effective import django_settings

__all__ = ["crew", "notify", "on_request", "wake"]

# At the end of the process: seconds in which waiting messages are still begun, and then seconds
# given to those under way. Most servers kill what has not ended after half a minute.
DRAIN: Final = 3.0
FINISH: Final = 12.0
# Seconds that a fork waits for the threads. Those that need longer end later, in the parent.
FORK: Final = 1.0


class _Process:
    """The crew of this process, and what forks do to it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.pid = os.getpid()
        self.crew = Crew()
        # Whether a mail came from here. A request alone does not prove that the site's mail is
        # mailsetup's to send.
        self.used = False
        self._left = False
        self._swept = False

    def is_wanted(self) -> bool:
        return conf.option("ENGINE") == "inline" and (self.used or django_settings.sends_by_us())

    def before_fork(self) -> None:
        """Stop the threads: a process that forks should have no other one."""
        self._left, self._swept = self.crew.is_busy, self.crew.sweeps
        self.crew.end(finish=FORK)

    def after_fork_in_parent(self) -> None:
        """Go on, with new threads."""
        self.crew = Crew()
        if self._left:
            self.crew.call()
        if self._swept:
            self.crew.sweep(self.is_wanted)

    def after_fork_in_child(self) -> None:
        """Start with no thread; the parent goes on with what it began."""
        self._start()


_process: Final = _Process()
if hasattr(os, "register_at_fork"):
    # Hooks that come before a fork are called in reverse: this one, and then the pool's. Threads
    # that end give back their connections, and would start the pool's thread once more.
    os.register_at_fork(
        before=_process.before_fork,
        after_in_parent=_process.after_fork_in_parent,
        after_in_child=_process.after_fork_in_child,
    )


def crew() -> Crew:
    """Return the threads of this process."""
    if _process.pid != os.getpid():
        # A fork that no hook of Python's saw, such as uWSGI's.
        _process.after_fork_in_child()
    return _process.crew


def notify(pks: Sequence[int]) -> None:
    """Have threads of this process look for what is most urgent, these messages among it.

    Raises:
        RuntimeError: no thread can be started, as at the end of the process.
    """
    crew().call(len(pks))
    _process.used = True
    crew().sweep(_process.is_wanted)


def wake(due: int) -> None:
    """Do nothing: the command that swept ends, and the site's processes take turns themselves."""


def on_request() -> None:
    """Take turns at sweeping from a process's first request on, so that retries go on.

    Where the site's mail goes another way, as in the tests of other apps, nothing starts.
    """
    if not crew().sweeps and _process.is_wanted():
        crew().sweep(_process.is_wanted)


@atexit.register
def _at_exit() -> None:
    crew().end(drain=DRAIN, finish=FINISH)
