"""The words and marks of the mail log: states, outcomes, causes; for people."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from mailsetup import diagnosis
from mailsetup.admin import times
from mailsetup.admin.trouble import Kept
from mailsetup.models import State
from mailsetup.smtp.errors import Outcome

STATE_HELP = {
    State.QUEUED: gettext_lazy("It waits for its next attempt."),
    State.SENDING: gettext_lazy("A worker has it in hand."),
    State.SENT: gettext_lazy("The mail server accepted it."),
    State.FAILED: gettext_lazy("It will not be tried again by itself."),
    State.AMBIGUOUS: gettext_lazy(
        "The connection broke after the content had left and before the server answered. The "
        "server may have it or not, so it is not sent again by itself."
    ),
    State.SET_ASIDE: gettext_lazy("Something about the mail itself keeps it from being tried."),
    State.CANCELED: gettext_lazy("Somebody canceled it before it was sent."),
    State.EXPIRED: gettext_lazy("Its time was over before it could be sent."),
    State.DROPPED: gettext_lazy("The profile is set to “do not send”."),
}
OUTCOMES = {
    Outcome.SENT: gettext_lazy("accepted"),
    Outcome.RETRY: gettext_lazy("to be tried again"),
    Outcome.HOLD: gettext_lazy("the profile waits"),
    Outcome.FIX_PROFILE: gettext_lazy("the profile's settings are wrong"),
    Outcome.STOP_PROFILE: gettext_lazy("the profile is stopped"),
    Outcome.FAILED_RECIPIENT: gettext_lazy("recipient refused"),
    Outcome.FAILED_MESSAGE: gettext_lazy("mail refused"),
    Outcome.AMBIGUOUS: gettext_lazy("not known"),
}
# The same where nothing follows: what they promise would not be kept.
_ENDED = {
    Outcome.RETRY: gettext_lazy("failed for now"),
    Outcome.HOLD: gettext_lazy("over a limit of the server"),
    Outcome.STOP_PROFILE: gettext_lazy("login refused"),
}
# Whether an attempt's mark is that of a success, of a failure, or of neither.
_KINDS = {
    Outcome.SENT: "sent",
    Outcome.RETRY: "queued",
    Outcome.HOLD: "queued",
    Outcome.AMBIGUOUS: "ambiguous",
}


def state_badge(state: str) -> SafeString:
    """Return a state as a mark with a sign and a word; colour only adds to them."""
    known = state in State.values
    label = State(state).label if known else state
    return format_html(
        '<span class="mailsetup-state mailsetup-state-{}">{}</span>',
        state if known else "unknown",
        label,
    )


def state_help(state: str) -> str:
    """Return a sentence on what a state means; "" for an unknown one."""
    return str(STATE_HELP.get(State(state), "")) if state in State.values else ""


def outcome_label(outcome: str, *, goes_on: bool = True) -> str:
    """Return an outcome's name for people.

    Args:
        outcome: a value of :class:`Outcome`, or "".
        goes_on: whether the mail was tried, or will be, after that.
    """
    if outcome not in set(Outcome):
        return outcome
    known = Outcome(outcome)
    return str(OUTCOMES[known] if goes_on else _ENDED.get(known, OUTCOMES[known]))


def outcome_kind(outcome: str, *, goes_on: bool = True) -> str:
    """Return the state whose colours and sign an outcome is shown with.

    Args:
        outcome: a value of :class:`Outcome`, or "".
        goes_on: whether the mail was tried, or will be, after that.
    """
    if outcome not in set(Outcome) or (not goes_on and outcome in _ENDED):
        return "failed"
    return _KINDS.get(Outcome(outcome), "failed")


def cause_title(cause: str) -> str:
    """Return what diagnosis takes for the reason, in a few words; "" where it knows none."""
    return diagnosis.title(cause, get_language() or "en") if cause else ""


def texts(values: Any) -> list[str]:
    """Return a stored list of addresses, whatever somebody may have made of it by hand."""
    return [str(value) for value in values] if isinstance(values, list) else []


def recipients_line(recipients: Any, most: int = 2) -> str:
    """Return the recipients on one line, the first ones by name."""
    addresses = texts(recipients)
    line = ", ".join(addresses[:most])
    more = len(addresses) - most
    if more > 0:
        words = ngettext("and %(count)s more", "and %(count)s more", more)
        line += " " + words % {"count": more}
    return line


def due(moment: Any, kept: Kept | None = None) -> str:
    """Return when a mail is due, from now on, in words.

    Args:
        moment: when its next attempt is due.
        kept: what keeps its profile's mail back.
    """
    now = timezone.now()
    if kept is not None and kept.outlasts(moment):
        return _("the profile is stopped") if kept.stopped else _("the profile waits")
    if moment is None or moment <= now:
        return _("due now")
    if moment - now < timedelta(minutes=1):
        return _("in less than a minute")
    return _("in %(time)s") % {"time": times.until(moment, now)}


def duration(seconds: float) -> str:
    """Return a duration with its unit."""
    if seconds < 1:
        return _("%(count)s ms") % {"count": round(seconds * 1000)}
    return _("%(count)s s") % {"count": localize(round(seconds, 1))}


def breaking(dotted: str) -> SafeString:
    """Return a name that a line may be broken in behind its dots, and nowhere in a word."""
    parts = ((part,) for part in dotted.split("."))
    return format_html_join(mark_safe(".<wbr>"), "{}", parts)
