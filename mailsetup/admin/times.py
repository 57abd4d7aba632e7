"""Stretches of time in words. Django lacks those words in some languages, Vietnamese among them."""

from datetime import datetime

from django.utils.timesince import timesince, timeuntil
from django.utils.translation import ngettext_lazy

_UNITS = {
    "year": ngettext_lazy("%(num)d year", "%(num)d years", "num"),
    "month": ngettext_lazy("%(num)d month", "%(num)d months", "num"),
    "week": ngettext_lazy("%(num)d week", "%(num)d weeks", "num"),
    "day": ngettext_lazy("%(num)d day", "%(num)d days", "num"),
    "hour": ngettext_lazy("%(num)d hour", "%(num)d hours", "num"),
    "minute": ngettext_lazy("%(num)d minute", "%(num)d minutes", "num"),
}


def since(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in one unit: "2 hours", not "2 hours, 20 minutes"."""
    return timesince(moment, now, time_strings=_UNITS, depth=1)


def until(moment: datetime, now: datetime, depth: int = 1) -> str:
    """Return how long it is until a moment.

    Args:
        moment, now: aware moments.
        depth: of how many units.
    """
    return timeuntil(moment, now, time_strings=_UNITS, depth=depth)
