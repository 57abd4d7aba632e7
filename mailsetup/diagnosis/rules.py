"""The rules of ``data/errors.json``: by what a failure is known, and what it stands for.

The file is read when it is first asked for, and checked by the tests, not here. Its rules stand
in the order in which they are tried: one provider's before those for all, the particular before
the general. The last has no condition, so that every failure has a cause.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from mailsetup.smtp.errors import Outcome, Stage, TransportError

__all__ = ["DATA", "Rule", "all_rules", "find", "title"]

DATA: Final = Path(__file__).parent.parent / "data" / "errors.json"
SOURCE_LANGUAGE: Final = "en"

# "verdict": the transport's own. "refused": for good at 5xx, the recipient at RCPT, else the
# message; not the profile's fault at any stage.
OutcomeWord = Literal["verdict", "refused"]
_WORDS: Final[tuple[OutcomeWord, ...]] = ("verdict", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One cause of failures. Every condition that is given must hold; an empty one always does.

    Args:
        id: the cause's name, kept in the log.
        title: the cause in a few words, by language.
        providers: ids of the presets it is for.
        stages: where it happens.
        verdicts: the transport's own outcome.
        errors: names of the transport's error classes; a subclass counts.
        errnos: numbers of the system.
        reasons: OpenSSL's names for a failed handshake.
        verify_codes: OpenSSL's numbers for a certificate that is not trusted.
        codes: beginnings of the reply code, such as "4" or "535".
        pattern: searched in the reply (code, enhanced code and words on one line), whatever the
            case, addresses taken out.
        outcome: what becomes of the message.
        hold_seconds: for a quota, when another message may be tried.
        retry_after: seconds until another attempt may do; None leaves it to the schedule.
        samples: replies that it is for; the tests judge each.
    """

    id: str
    title: Mapping[str, str] = field(hash=False)
    providers: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    verdicts: tuple[Outcome, ...] = ()
    errors: tuple[str, ...] = ()
    errnos: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    verify_codes: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    outcome: Outcome | OutcomeWord = "verdict"
    hold_seconds: float | None = None
    retry_after: float | None = None
    samples: tuple[str, ...] = ()

    @property
    def is_particular(self) -> bool:
        """Whether it goes by the server's words, and not by stage, code and class alone."""
        return self.pattern is not None

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Rule:
        """Make a rule of an entry as ``data/errors.json`` has them.

        Raises:
            KeyError, TypeError, ValueError, re.error: the entry is not one.
        """
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        given["stages"] = tuple(Stage(each) for each in entry.get("stages", ()))
        given["verdicts"] = tuple(Outcome(each) for each in entry.get("verdicts", ()))
        given["title"] = MappingProxyType(dict(entry["title"]))
        if "pattern" in entry:
            given["pattern"] = re.compile(entry["pattern"], re.IGNORECASE)
        if entry.get("outcome", "verdict") not in _WORDS:
            given["outcome"] = Outcome(entry["outcome"])
        return cls(**given)

    def fits(self, error: TransportError, words: str, provider: str) -> bool:
        """Tell whether this is the cause of *error*.

        Args:
            error: the failure.
            words: its reply, addresses taken out.
            provider: the id of the provider's preset, or "".
        """
        return (
            _allows(self.providers, provider)
            and _allows(self.stages, error.stage)
            and _allows(self.verdicts, error.outcome)
            and _allows(self.errnos, error.errno)
            and _allows(self.reasons, getattr(error, "reason", None))
            and _allows(self.verify_codes, getattr(error, "verify_code", None))
            and (not self.codes or str(error.code or "").startswith(self.codes))
            and (not self.errors or any(each.__name__ in self.errors for each in type(error).mro()))
            and (self.pattern is None or self.pattern.search(words) is not None)
        )


def _allows(wanted: tuple[Any, ...], value: Any) -> bool:
    return not wanted or value in wanted


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return the rules in the order in which they are tried."""
    entries = json.loads(DATA.read_text(encoding="utf-8"))["rules"]
    return tuple(Rule.from_dict(entry) for entry in entries)


@cache
def _by_id() -> Mapping[str, Rule]:
    return {rule.id: rule for rule in all_rules()}


def find(cause: str) -> Rule | None:
    """Return the rule of that id, None if there is none."""
    return _by_id().get(cause)


def title(cause: str, language: str = SOURCE_LANGUAGE) -> str:
    """Return a cause in a few words, in the language, else in English; "" for an unknown one."""
    rule = find(cause)
    if rule is None:
        return ""
    base = language.replace("_", "-").partition("-")[0].lower()
    return rule.title.get(base) or rule.title[SOURCE_LANGUAGE]
