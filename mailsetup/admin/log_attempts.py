"""A mail's attempts, as its page shows them: how far each got, and what the server said."""

from typing import Any

from django.utils.translation import gettext as _

from mailsetup import effective
from mailsetup.admin import log_words
from mailsetup.admin.advice import ladder, stage_label
from mailsetup.delivery.log import sentences
from mailsetup.delivery.outbox.settle import server_address
from mailsetup.effective import Effective
from mailsetup.exceptions import ConfigurationError
from mailsetup.models import Attempt, Message
from mailsetup.models.message import SETTLED
from mailsetup.smtp.errors import Outcome, Stage

MOST = 100
MOST_RECIPIENTS = 100
# Of an attempt whose server nobody knows any more.
LADDER = [stage for stage in Stage if stage is not Stage.TLS]


class _Accounts:
    """The profiles in force of the attempts on one page, each read once."""

    def __init__(self) -> None:
        self._found: dict[str, Effective | None] = {}

    def of(self, attempt: Attempt) -> Effective | None:
        """Return an attempt's profile; None where it has another server by now, or is gone.

        An attempt does not keep how its connection was encrypted, nor whether it signed in: both
        are taken from the profile, which is right as long as it is the same server and port.
        """
        slug = attempt.profile
        if slug not in self._found:
            try:
                self._found[slug] = effective.resolve(slug or None)
            except ConfigurationError:
                self._found[slug] = None
        found = self._found[slug]
        return found if found and server_address(found) == attempt.server else None


def shown(row: Message) -> list[dict[str, Any]]:
    """Return the attempts at a mail, the last one first."""
    accounts = _Accounts()
    # After the last one there is another only for what still waits for it.
    goes_on = row.background and row.state not in SETTLED
    found = []
    for each in row.attempts.order_by("-number", "-pk")[:MOST]:
        found.append(_shown_attempt(each, accounts, goes_on=goes_on))
        goes_on = row.background
    if found:
        # The page is opened for how far the last one got, where that was not far enough.
        found[0]["is_open"] = found[0]["kind"] != "sent"
    return found


def _shown_attempt(attempt: Attempt, accounts: _Accounts, *, goes_on: bool) -> dict[str, Any]:
    code = "" if attempt.code is None else str(attempt.code)
    label = log_words.outcome_label(attempt.outcome, goes_on=goes_on)
    refused = _dicts(attempt.refused)[:MOST_RECIPIENTS]
    return {
        "attempt": attempt,
        "kind": log_words.outcome_kind(attempt.outcome, goes_on=goes_on),
        "outcome": label or _("not tried"),
        "cause": log_words.cause_title(attempt.cause),
        "duration": log_words.duration(attempt.seconds),
        "answer": _answer(code, attempt.enhanced_code, attempt.reply),
        "error": "" if attempt.error == attempt.reply else sentences.shown(attempt.error),
        "stage": stage_label(attempt.stage) if attempt.stage else "",
        "ladder": _ladder(attempt, accounts),
        "refused": [_refusal(each, goes_on=goes_on) for each in refused],
        "accepted": log_words.texts(attempt.accepted)[:MOST_RECIPIENTS],
    }


def _answer(code: str, enhanced_code: str, reply: str) -> str:
    """Return the server's words with its codes, each once."""
    words = reply if reply.startswith(code) else f"{code} {reply}"
    if enhanced_code and enhanced_code not in words:
        words = f"{words} ({enhanced_code})"
    return words.strip()


def _dicts(values: Any) -> list[dict[str, Any]]:
    found = values if isinstance(values, list) else []
    return [value for value in found if isinstance(value, dict)]


def _refusal(refused: dict[str, Any], *, goes_on: bool) -> dict[str, str]:
    code = refused.get("code")
    outcome = str(refused.get("outcome") or "")
    return {
        "address": str(refused.get("address") or ""),
        "answer": _answer(
            "" if code is None else str(code),
            str(refused.get("enhanced_code") or ""),
            str(refused.get("reply") or ""),
        ),
        "outcome": log_words.outcome_label(outcome, goes_on=goes_on),
        "kind": log_words.outcome_kind(outcome, goes_on=goes_on),
        "cause": log_words.cause_title(str(refused.get("cause") or "")),
    }


def _stages(attempt: Attempt, accounts: _Accounts) -> list[str]:
    """Return the stages that an attempt had before it, as far as they are known."""
    account = accounts.of(attempt)
    if account is not None:
        stages = ladder(encryption=account["encryption"], login=account["login"], check_only=False)
        if attempt.stage in stages:
            return stages
    stages = list(LADDER)
    if attempt.stage == Stage.TLS:
        stages.insert(stages.index(Stage.EHLO) + 1, Stage.TLS)
    return stages


def _ladder(attempt: Attempt, accounts: _Accounts) -> list[dict[str, str]]:
    """Return the stages with how far the attempt went."""
    if attempt.stage not in set(Stage):
        return []
    steps, state = [], "done"
    for stage in _stages(attempt, accounts):
        if stage == attempt.stage and attempt.outcome != Outcome.SENT:
            state = "failed"
        steps.append({"label": stage_label(stage), "state": state})
        if state == "failed":
            state = "open"
    return steps
