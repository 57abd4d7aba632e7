"""How many deliveries of each profile run in this process: one needs a connection each."""

import threading
from collections import defaultdict
from typing import Final

__all__ = ["seats"]


class _Seats:
    """Counts them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, int] = defaultdict(int)

    def take(self, slug: str, most: int) -> bool:
        """Take one; tell whether there was one.

        Args:
            slug: the profile.
            most: how many connections it may have here.
        """
        with self._lock:
            if self._taken[slug] >= most:
                return False
            self._taken[slug] += 1
            return True

    def leave(self, slug: str) -> None:
        """Give one back."""
        with self._lock:
            self._taken[slug] -= 1


seats: Final = _Seats()
