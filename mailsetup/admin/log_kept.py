"""Mails to be sent now whose profile waits or is stopped: they are not next, and that is told."""

from collections import Counter

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailsetup.admin import trouble
from mailsetup.admin.trouble import Kept
from mailsetup.models import Message, State


def behind(rows: QuerySet[Message]) -> list[tuple[Kept, int]]:
    """Return the profiles that keep waiting mails back, each with how many of these.

    Args:
        rows: the mails; those that do not wait are passed over.
    """
    kept = trouble.kept_back()
    if not kept:
        return []
    waiting = rows.filter(state=State.QUEUED, profile__in=[each.slug for each in kept])
    counts = Counter(waiting.order_by().values_list("profile", flat=True))
    return [(each, counts[each.slug]) for each in kept if counts[each.slug]]


def told(kept: Kept, count: int, *, may_resume: bool) -> str:
    """Return why mails are not sent now, and what lets them go.

    Args:
        kept: their profile.
        count: how many they are.
        may_resume: whether who reads it finds a button to resume the profile.
    """
    words = {
        "count": count,
        "profile": kept.slug or _("the site's own settings"),
        "time": kept.wait,
    }
    if kept.stopped:
        sentence = ngettext(
            "%(count)s mail is not sent yet: its profile “%(profile)s” is stopped.",
            "%(count)s mails are not sent yet: their profile “%(profile)s” is stopped.",
            count,
        )
    elif kept.is_soon_over:
        sentence = ngettext(
            "%(count)s mail is not sent yet: its profile “%(profile)s” waits for less than a "
            "minute more.",
            "%(count)s mails are not sent yet: their profile “%(profile)s” waits for less than a "
            "minute more.",
            count,
        )
    else:
        sentence = ngettext(
            "%(count)s mail is not sent yet: its profile “%(profile)s” waits for another %(time)s.",
            "%(count)s mails are not sent yet: their profile “%(profile)s” waits for another "
            "%(time)s.",
            count,
        )
    if may_resume:
        way_out = _("Resume the profile to have it tried at once.")
    else:
        way_out = _("Who may change profiles can resume it.")
    return f"{sentence % words} {way_out}"
