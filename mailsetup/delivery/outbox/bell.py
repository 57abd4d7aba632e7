"""How the threads of a worker wait, and whom they wake.

Each could look into the table again and again; most looks would be in vain, or find a mail or two
that might have gone out with the next ones. So one thread lets mails gather for a moment while
others are busy, and the rest sleep until they are called.
"""

import random
import threading
from typing import Final

__all__ = ["Bell"]

# Seconds that a thread sleeps where nothing was due, on average.
POLL: Final = 1.0
# Seconds that one waits after all there was has been taken: what comes meanwhile goes out together.
GATHER: Final = 0.02


class Bell:
    """What the threads of one worker wait for."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        # For those who rest: they must not be the one that a call wakes.
        self._end = threading.Event()
        self._halted = False
        # A claim was as large as it may be: somebody is to look at once.
        self._more = False
        self._gathering = False

    def ring(self, *, more: bool) -> None:
        """Call one thread that sleeps, because something was found.

        Args:
            more: there is more of it; else it is to let some gather first.
        """
        with self._condition:
            self._more = self._more or more
            self._condition.notify()

    def halt(self) -> None:
        """Wake all threads, for good."""
        self._end.set()
        with self._condition:
            self._halted = True
            self._condition.notify_all()

    def pause(self, *, all_taken: bool) -> None:
        """Wait until it is time to look again.

        Args:
            all_taken: the last look found something, and took all of it.
        """
        with self._condition:
            while not (self._halted or self._more):
                if all_taken and not self._gathering:
                    self._gather()
                    break
                if not self._condition.wait(POLL * random.uniform(0.5, 1.5)):  # noqa: S311
                    return
                all_taken = True
            self._more = False

    def rest(self, seconds: float) -> None:
        """Wait that long, or until the end; whoever calls is not heard."""
        self._end.wait(seconds)

    def _gather(self) -> None:
        self._gathering = True
        try:
            self._condition.wait_for(lambda: self._halted or self._more, GATHER)
        finally:
            self._gathering = False
