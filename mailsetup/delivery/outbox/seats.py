"""How many deliveries of each profile run in this process: one needs a connection each."""

import threading
from collections import defaultdict
from time import monotonic
from typing import Final

__all__ = ["seats"]

# How long a profile makes do with fewer, after its server turned one connection away.
FEWER_SECONDS: Final = 300.0
# How long it does without any, where another process has one: that process may end.
NONE_SECONDS: Final = 60.0


class _Seats:
    """Counts them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, int] = defaultdict(int)
        # How many there are of a profile, and until when.
        self._fewer: dict[str, tuple[int, float]] = {}

    def take(self, slug: str, most: int) -> bool:
        """Take one; tell whether there was one.

        Args:
            slug: the profile.
            most: how many connections it may have here.
        """
        with self._lock:
            fewer, until = self._fewer.get(slug, (most, 0.0))
            if monotonic() < until:
                most = min(most, fewer)
            if self._taken[slug] >= most:
                return False
            self._taken[slug] += 1
            return True

    def one_less(self, slug: str, *, elsewhere: bool) -> bool:
        """Make do with those that others have, for a while; tell whether any other has one.

        Args:
            slug: the profile, whose server turned the connection of one away.
            elsewhere: whether another process has one.
        """
        with self._lock:
            others = self._taken[slug] - 1
            if others < 1 and not elsewhere:
                return False
            seconds = FEWER_SECONDS if others else NONE_SECONDS
            self._fewer[slug] = (others, monotonic() + seconds)
            return True

    def leave(self, slug: str) -> None:
        """Give one back."""
        with self._lock:
            self._taken[slug] -= 1


seats: Final = _Seats()
