"""When to try again: pure arithmetic, no clock and no database of its own."""

import random
from collections.abc import Sequence

# Half an hour may become 24 or 36 minutes: what failed together does not come back together.
JITTER = 0.2
# A server out of reach is asked after half a minute, then after ever longer, never given up.
PROBE_FIRST = 30.0
PROBE_LAST = 900.0


def delay(attempt: int, delays: Sequence[float], *, at_least: float = 0.0) -> float:
    """Return the seconds to wait after an attempt that failed.

    Args:
        attempt: how many attempts were made, at least 1.
        delays: the seconds after the first, the second, …; the last one goes on.
        at_least: what the server asked for, or greylisting is known to want.
    """
    seconds = delays[min(attempt, len(delays)) - 1] if delays else 60.0
    return spread(max(seconds, at_least), at_least=at_least)


def probe_delay(failures: int) -> float:
    """Return the seconds until a server that could not be reached is asked again.

    Args:
        failures: how often in a row it could not be reached, at least 1.
    """
    return spread(min(PROBE_FIRST * 2 ** min(failures - 1, 10), PROBE_LAST))


def spread(seconds: float, *, at_least: float = 0.0) -> float:
    """Return about as many seconds, different each time (RFC 5321 asks for no exact time)."""
    lowest = max(seconds * (1 - JITTER), at_least)
    return random.uniform(lowest, seconds * (1 + JITTER))  # noqa: S311 - no secret
