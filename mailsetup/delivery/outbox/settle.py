"""What becomes of a message after an attempt: decided here, and nowhere else.

Deciding is pure: a row, a receipt and the judgement of its errors go in, a `Decision` comes out.
Writing it down is one UPDATE under the condition that the claim still stands, and one INSERT, for
all messages of a flight that end alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mailsetup import conf, diagnosis
from mailsetup.delivery import compose
from mailsetup.delivery.log.facts import one_line
from mailsetup.delivery.outbox import retry
from mailsetup.effective import Effective
from mailsetup.models import LogLevel, Message, State
from mailsetup.models.message import SETTLED, TROUBLED
from mailsetup.redaction import redact
from mailsetup.smtp.errors import Outcome, Stage, TransportError
from mailsetup.smtp.session import Receipt

# The server was not spoken to, or not as the profile says: nothing about the message itself.
_PROFILE_STAGES = frozenset({Stage.DNS, Stage.CONNECT, Stage.TLS, Stage.GREETING, Stage.EHLO})
_FAILS = frozenset({Outcome.FAILED_MESSAGE, Outcome.FAILED_RECIPIENT})


@dataclass(slots=True)
class Judged:
    """An error with what diagnosis makes of it."""

    error: TransportError
    outcome: Outcome
    cause: str = ""
    hold_seconds: float | None = None
    retry_after: float | None = None

    @property
    def concerns_profile(self) -> bool:
        """Whether every other mail of the profile would meet the same."""
        if self.outcome in {Outcome.HOLD, Outcome.STOP_PROFILE}:
            return True
        return self.error.stage in _PROFILE_STAGES or (
            self.error.stage is Stage.LOGIN and self.outcome is not Outcome.AMBIGUOUS
        )


@dataclass(slots=True)
class Verdict:
    """One attempt at one message, its errors judged.

    Attributes:
        row: the message, as it was claimed.
        receipt: what the transport says.
        judged: the receipt's error; None where the message was sent.
        refused: the error of each recipient that was refused.
        at: when it was over.
    """

    row: Message
    receipt: Receipt
    judged: Judged | None
    refused: Mapping[str, Judged]
    at: datetime

    @property
    def refused_for_now(self) -> list[str]:
        """The refused recipients who may be asked about again."""
        return [address for address, one in self.refused.items() if one.outcome not in _FAILS]


@dataclass(slots=True)
class Decision:
    """What becomes of one message.

    Attributes:
        state: the new state.
        due_at: when the next attempt is due, where there is one.
        remaining: the recipients of the next attempt; None for no change.
        reason: why, a whole sentence, one for each line, or "".
        refused: the recipients that were refused for good or for now, each with its judgement.
    """

    state: State
    due_at: datetime | None = None
    remaining: list[str] | None = None
    reason: str = ""
    refused: Mapping[str, Judged] = field(default_factory=dict)


def judge(error: TransportError, effective: Effective) -> Judged:
    """Return what an error means, the words of the server considered."""
    found = diagnosis.judge(error, provider=effective.provider)
    return Judged(error, found.outcome, found.cause, found.hold_seconds, found.retry_after)


def decide(verdict: Verdict, *, resends: bool) -> Decision:
    """Decide what becomes of a message after an attempt.

    Args:
        verdict: the attempt.
        resends: whether the profile sends again what may have arrived.
    """
    judged = verdict.judged
    if judged is None:
        return _after_refusals(verdict, State.SENT, _words(verdict.refused))
    outcome, reason = judged.outcome, str(judged.error)
    if outcome is Outcome.AMBIGUOUS and not resends:
        return Decision(State.AMBIGUOUS, reason=reason, refused=verdict.refused)
    if outcome in _FAILS or (outcome is Outcome.FIX_PROFILE and not judged.concerns_profile):
        return _after_refusals(verdict, _end(verdict), reason)
    if not judged.concerns_profile:
        return _later(verdict, judged, verdict.row.remaining)
    if outcome is Outcome.RETRY and _gives_up(verdict):
        return Decision(State.FAILED, reason=reason)
    # The profile waits; the message goes as soon as the profile may.
    return Decision(State.QUEUED, due_at=verdict.at, reason=reason)


def _after_refusals(verdict: Verdict, state: State, reason: str) -> Decision:
    """Try again for those who were refused for now; for nobody else, it is over."""
    later = verdict.refused_for_now
    if later and not _gives_up(verdict):
        return _later(verdict, verdict.refused[later[0]], later)
    return Decision(state, remaining=later, reason=reason, refused=verdict.refused)


def _later(verdict: Verdict, judged: Judged, remaining: list[str] | None) -> Decision:
    reason = str(judged.error)
    if _gives_up(verdict):
        return Decision(_end(verdict), reason=reason, refused=verdict.refused)
    seconds = retry.delay(
        verdict.row.attempts_made + 1,
        conf.option("RETRY_DELAYS"),
        at_least=judged.retry_after or 0.0,
    )
    due = verdict.at + timedelta(seconds=seconds)
    return Decision(State.QUEUED, due, remaining, reason, verdict.refused)


def _end(verdict: Verdict) -> State:
    """Return what a message ends as that goes to nobody more: others may have got it before."""
    return State.SENT if verdict.row.delivered or verdict.receipt.accepted else State.FAILED


def _words(refused: Mapping[str, Judged]) -> str:
    return "\n".join(str(one.error) for one in refused.values())


def _gives_up(verdict: Verdict) -> bool:
    """Tell whether a message has been tried for long enough."""
    row, limit = verdict.row, timedelta(seconds=conf.option("GIVE_UP_AFTER"))
    if verdict.at - row.created_at < limit:
        return False
    # One that was to be sent later counts from its first attempt.
    first = row.attempts.order_by("number").values_list("started_at", flat=True).first()
    return first is not None and verdict.at - first >= limit


def changes(verdict: Verdict, decision: Decision, effective: Effective) -> dict[str, Any]:
    """Return the columns of the message that a decision changes.

    Those that nobody else writes while the claim's mark is there are left out where they stay as
    they are: each column more is another index to keep.
    """
    row = verdict.row
    values: dict[str, Any] = {
        "state": decision.state,
        "claimed_until": None,
        "leaving": False,
        "attempts_made": row.attempts_made + 1,
        "reason": shown(decision.reason, verdict.receipt.error),
        "needs_attention": decision.state in TROUBLED and not row.reports_failure,
    }
    if row.suspect or row.crashes:
        values |= {"suspect": False, "crashes": 0}
    if row.profile != effective.slug:
        values["profile"] = effective.slug
    if verdict.receipt.accepted and not row.delivered:
        values["delivered"] = True
    sender = one_line(compose.identity(row.recipe["from"], effective.sender_rules).sender)[:400]
    if sender != row.from_email:
        # The profile was edited, or another one serves now.
        values["from_email"] = sender
    if decision.due_at is not None:
        values["due_at"] = decision.due_at
    if decision.remaining is not None:
        values["remaining"] = decision.remaining
    if decision.state not in SETTLED:
        return values | {"claim": None, "worker": ""}
    values["settled_at"] = verdict.at
    if decision.state == State.SENT and row.log != LogLevel.CONTENT:
        values["content"] = None
        if row.content_file:
            values["content_file"] = ""
    return values


def attempt(verdict: Verdict, effective: Effective) -> dict[str, Any]:
    """Return the columns of the record of an attempt."""
    row = verdict.row
    values = attempt_values(
        verdict.receipt, verdict.judged, verdict.refused, effective, at=verdict.at
    )
    return {"message_id": row.pk, "number": row.attempts_made + 1, **values}


def attempt_values(
    receipt: Receipt,
    judged: Judged | None,
    refused: Mapping[str, Judged],
    effective: Effective,
    *,
    at: datetime,
) -> dict[str, Any]:
    """Return the columns of an attempt that tell what came of it.

    Args:
        receipt: what the transport says.
        judged: its error, judged.
        refused: the errors of the recipients that were refused, judged.
        effective: the profile.
        at: when it was over.
    """
    error = receipt.error
    return {
        "started_at": at - timedelta(seconds=receipt.seconds),
        "seconds": receipt.seconds,
        "profile": effective.slug,
        "server": server_address(effective),
        "stage": str(error.stage) if error is not None else str(Stage.ACCEPTED),
        "outcome": str(judged.outcome if judged is not None else receipt.outcome),
        "code": receipt.code,
        "enhanced_code": receipt.enhanced_code,
        "reply": shown(receipt.reply, error),
        "error": shown(str(error), error) if error is not None else "",
        "cause": judged.cause if judged is not None else "",
        "accepted": list(receipt.accepted),
        "refused": [_refusal(address, one) for address, one in refused.items()],
    }


def server_address(effective: Effective) -> str:
    """Return a profile's server as an attempt keeps it: host and port."""
    return f"{effective['host']}:{effective['port']}"[:270]


def shown(text: str, error: TransportError | None) -> str:
    """Return what is written down of a server's words.

    Only one that has read the content can quote a link of it, as a spam filter may. Elsewhere the
    words stay whole: the number of a mail, the page of the provider's help.
    """
    return redact(text) if error is not None and error.stage is Stage.CONTENT else text


def _refusal(address: str, one: Judged) -> dict[str, Any]:
    return {
        "address": address,
        "code": one.error.code,
        "enhanced_code": one.error.enhanced_code,
        "reply": one.error.reply,
        "outcome": str(one.outcome),
        "cause": one.cause,
    }
