"""Moments as the database's columns take them: in a zone, or without one where USE_TZ is off."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone


def stored(moment: datetime) -> datetime:
    """Return a moment as the columns have it.

    Args:
        moment: with or without a zone; one without is in the site's.
    """
    if settings.USE_TZ:
        return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    return moment if timezone.is_naive(moment) else timezone.make_naive(moment)
