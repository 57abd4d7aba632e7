"""What each value of the ``MAILSETUP`` dictionary has to be, for the check that reads it."""

from collections.abc import Callable
from difflib import get_close_matches
from os import PathLike
from typing import Any, Final

from django.conf import settings

from mailsetup.conf import DEFAULTS

# Tells whether a value serves.
Test = Callable[[Any], bool]


def _is_number(value: Any, least: float = 0) -> bool:
    # True is an int to Python, and nan is less than nothing.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_whole(least: int) -> Test:
    return lambda value: isinstance(value, int) and _is_number(value, least)


def _or_none(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _are_delays(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(_is_number, value))


def _are_priorities(value: Any) -> bool:
    names = {"high", "normal", "bulk"}
    return isinstance(value, dict) and all(
        isinstance(app, str) and priority in names for app, priority in value.items()
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_SECONDS: Final = "a number of seconds, 0 or more"
_POSITIVE: Final = "a number of seconds above 0"
_COUNT: Final = "a whole number, 1 or more"
_NATURAL: Final = "a whole number, 0 or more"

RULES: Final[dict[str, tuple[Test, str]]] = {
    "PROBE_SECONDS": (_is_number, _SECONDS),
    "MAX_CONNECTIONS": (_is_whole(1), _COUNT),
    "TEST_LIMIT": (_is_whole(0), _NATURAL),
    "TEST_LIMIT_SITE": (_is_whole(0), _NATURAL),
    "TEST_WINDOW": (_is_positive, _POSITIVE),
    "DRAFT_SECONDS": (_is_positive, _POSITIVE),
    "CONTENT_INLINE": (_is_whole(0), _NATURAL),
    "CONTENT_DIR": (_or_none(lambda value: isinstance(value, (str, PathLike))), "a path, or None"),
    "RETRY_DELAYS": (_are_delays, "a list of numbers of seconds, one at least"),
    "GIVE_UP_AFTER": (_is_number, _SECONDS),
    "PRIORITIES": (_are_priorities, "a dictionary of apps' labels to high, normal or bulk"),
    "LOG_QUEUE": (_is_whole(1), _COUNT),
    "LOG_DAYS": (_or_none(_is_number), "a number of days, or None"),
    "CONTENT_DAYS": (_or_none(_is_number), "a number of days, or None"),
    "LOG_ROWS": (_or_none(_is_whole(0)), f"{_NATURAL}, or None"),
    "CONTENT_BYTES": (_or_none(_is_whole(0)), f"{_NATURAL}, or None"),
    "CLAIM_SECONDS": (_is_positive, _POSITIVE),
    "BATCH_SECONDS": (_is_number, _SECONDS),
    "ENGINE": (_is_name, "a text"),
    "INLINE_THREADS": (_is_whole(1), _COUNT),
    "SWEEP_SECONDS": (_is_positive, _POSITIVE),
    "TASKS_BACKEND": (_is_name, "a text"),
    "TASKS_QUEUE": (_is_name, "a text"),
}


def unusable() -> list[str]:
    """Return a sentence for each value that cannot be used; it names what would serve."""
    given = getattr(settings, "MAILSETUP", {})
    if not isinstance(given, dict):
        return ["MAILSETUP has to be a dictionary."]
    return [
        f"MAILSETUP[{name!r}] has to be {words}."
        for name, (serves, words) in RULES.items()
        if name in given and not serves(given[name])
    ]


def unknown() -> list[tuple[str, str]]:
    """Return the names in the dictionary that nothing reads, each with what it may stand for."""
    given = getattr(settings, "MAILSETUP", {})
    names = [name for name in given if name not in DEFAULTS] if isinstance(given, dict) else []
    return [(str(name), _likely(str(name))) for name in names]


def _likely(name: str) -> str:
    return next(iter(get_close_matches(name.upper(), DEFAULTS, n=1)), "")
