"""Judging a failure: its cause, what becomes of the message, and how long to wait.

Whoever writes to an address decides what stands in it, and servers repeat addresses in their
replies; so these are taken out before a word is believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mailsetup import providers
from mailsetup.smtp.errors import Outcome, Stage, TransportError

from .rules import Rule, all_rules

__all__ = ["Judgement", "judge"]

# How much of a reply is read; the transport keeps no more than 1,000 characters.
MAX_WORDS: Final = 1000
# A quota whose window is not known.
DEFAULT_HOLD: Final = 3600.0
# Between these, seconds that a server names are believed.
HOLD_BOUNDS: Final = (60.0, 86_400.0)
RETRY_BOUNDS: Final = (300.0, 3600.0)
# A little more than what was asked for: clocks differ.
MARGIN: Final = 30.0

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
# "try again in 5 minutes", "Greylisted for 300 seconds", "retry after 2 hours".
_WAIT: Final = re.compile(
    r"\b(?:in|for|after|wait|within) {1,2}(?:about |another |at least )?"
    r"(\d{1,5}) ?(s|m|h)(?:ecs?|econds?|ins?|inutes?|rs?|ours?)?\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a failure was about.

    Args:
        cause: the id of a rule in ``data/errors.json``; `mailsetup.diagnosis.title` names it.
        outcome: what becomes of the message.
        hold_seconds: how long the profile sends nothing, where the outcome is HOLD; else None.
        retry_after: seconds until the next attempt, where the reply or the cause tells; else
            None, and the schedule decides.
    """

    cause: str
    outcome: Outcome
    hold_seconds: float | None = None
    retry_after: float | None = None


def judge(error: TransportError, provider: str = "") -> Judgement:
    """Return what *error* was about; never raises for anything a server said.

    Args:
        error: the failure of a message, or of one of its recipients.
        provider: the id of the preset (`mailsetup.providers`) that the profile was made from;
            where not given, the preset that has the server's name.
    """
    words = _without_addresses(error.reply[:MAX_WORDS])
    preset = provider or _provider(error.host)
    rule = next(rule for rule in all_rules() if rule.fits(error, words, preset))
    outcome = _outcome(rule, error)
    if outcome is Outcome.HOLD:
        hold = _stated_wait(words, HOLD_BOUNDS) or rule.hold_seconds or DEFAULT_HOLD
        return Judgement(rule.id, outcome, hold_seconds=hold)
    if outcome is Outcome.RETRY and rule.retry_after is not None:
        wait = _stated_wait(words, RETRY_BOUNDS) or rule.retry_after
        return Judgement(rule.id, outcome, retry_after=wait)
    return Judgement(rule.id, outcome)


def _outcome(rule: Rule, error: TransportError) -> Outcome:
    if error.outcome is Outcome.AMBIGUOUS or rule.outcome == "verdict":
        # Words cannot tell what became of a message whose final reply was never read.
        return error.outcome
    if rule.outcome != "refused":
        return rule.outcome
    if error.code is not None and error.code < 500:
        return Outcome.RETRY
    recipient = error.stage is Stage.RECIPIENT
    return Outcome.FAILED_RECIPIENT if recipient else Outcome.FAILED_MESSAGE


def _provider(host: str) -> str:
    found = providers.for_host(host)
    return found.id if found else ""


def _without_addresses(text: str) -> str:
    return " ".join("@" if "@" in word else word for word in text.split(" "))


def _stated_wait(words: str, bounds: tuple[float, float]) -> float | None:
    """Return the seconds that the server asks for, within *bounds*, or None."""
    found = _WAIT.search(words)
    if found is None:
        return None
    seconds = int(found[1]) * _UNITS[found[2].lower()] + MARGIN
    return min(max(seconds, bounds[0]), bounds[1])
