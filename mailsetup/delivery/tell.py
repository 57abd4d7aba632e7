"""Tells the site what became of a message: signals for its apps, lines for its log.

A receiver or a log handler that raises changes nothing about the mail. The failure of a mail that
reports a failure is not told, or a chain would start.
"""

import logging
from collections.abc import Iterable
from typing import Any

from django.core.mail import EmailMessage
from django.dispatch import Signal

from mailsetup.delivery.outbox.settle import Decision, Judged, Verdict, judge
from mailsetup.delivery.reporting import is_reporting, quietly, report
from mailsetup.effective import Effective
from mailsetup.models import Message, State
from mailsetup.models.message import TROUBLED
from mailsetup.signals import message_failed, message_queued, message_sent, recipient_refused
from mailsetup.smtp.envelope import Receipt
from mailsetup.smtp.errors import Outcome, TransportError


def queued(stored: Iterable[tuple[Message, EmailMessage]], sender: type) -> None:
    """Tell that messages were left to the outbox.

    Args:
        stored: the messages, each with what the app handed over.
        sender: the backend's class.
    """
    for row, email in stored:
        _send(message_queued, sender, row, message=email)


def settled(verdict: Verdict, decision: Decision, effective: Effective) -> None:
    """Tell what came of one attempt.

    Args:
        verdict: the attempt; its row is brought up to date with the decision.
        decision: what was decided and written.
        effective: the profile.
    """
    row = verdict.row
    row.state, row.reason = decision.state, decision.reason
    waiting = decision.remaining if decision.state == State.QUEUED else None
    for address, one in decision.refused.items():
        if waiting is None or address not in waiting:
            _refused(row, address, one.error, effective)
    if decision.state in TROUBLED:
        failed(row, verdict.judged)
    elif decision.state == State.SENT:
        accepted = verdict.receipt.accepted
        _send(message_sent, Message, row, profile=effective.slug, accepted=accepted)


def failed(row: Message, judged: Judged | None = None) -> None:
    """Tell that a message has failed, that its fate is not known, or that it is set aside.

    Args:
        row: the message.
        judged: the error that settled it; None where no server was asked.
    """
    if not row.reports_failure:
        report(
            logging.ERROR,
            "The mail %s to %s (%s): %s",
            row.message_id,
            row.recipients_line,
            row.state,
            row.reason,
        )
    _send(
        message_failed,
        Message,
        row,
        profile=row.profile,
        error=judged.error if judged else None,
        cause=judged.cause if judged else "",
        state=row.state,
        reports_failure=row.reports_failure,
    )


def at_once(
    message: EmailMessage,
    message_id: str,
    receipt: Receipt | None,
    error: Exception | None,
    *,
    effective: Effective | None,
    sender: type | None,
) -> None:
    """Tell what came of a mail that was sent at once.

    Args:
        message: what the app handed over.
        message_id: its Message-ID, or "" where none was made.
        receipt: what the transport says; None where no server was asked.
        error: why it was not sent; None where it was.
        effective: the profile; None where there is none.
        sender: the backend's class.
    """
    known = {
        "message": message,
        "entry": None,
        "message_id": message_id,
        "profile": effective.slug if effective is not None else "",
    }
    for address, refusal in receipt.refused.items() if receipt is not None else ():
        _report_refusal(address, refusal, known["profile"])
        _emit(recipient_refused, sender, known | {"recipient": address, "error": refusal})
    if error is None:
        accepted = receipt.accepted if receipt is not None else ()
        _emit(message_sent, sender, known | {"accepted": accepted})
    elif message_failed.receivers:
        more = {"error": error, "cause": "", "reports_failure": is_reporting()}
        state = State.FAILED
        if isinstance(error, TransportError) and effective is not None:
            more["cause"] = judge(error, effective).cause
            state = State.AMBIGUOUS if error.outcome is Outcome.AMBIGUOUS else State.FAILED
        _emit(message_failed, sender, known | more | {"state": state})


def _refused(row: Message, address: str, error: Exception, effective: Effective) -> None:
    if not row.reports_failure:
        _report_refusal(address, error, effective.slug)
    more = {"profile": effective.slug, "recipient": address, "error": error}
    _send(recipient_refused, Message, row, **more)


def _report_refusal(address: str, error: Exception, slug: str) -> None:
    report(
        logging.WARNING,
        "The server refused the recipient %s (profile %s): %s",
        address,
        slug or "-",
        error,
    )


def _send(signal: Signal, sender: type, row: Message, **arguments: Any) -> None:
    known = {"message": None, "entry": row, "message_id": row.message_id}
    _emit(signal, sender, known | arguments)


def _emit(signal: Signal, sender: type | None, arguments: dict[str, Any]) -> None:
    if not signal.receivers:
        return
    with quietly() as is_outermost:
        if is_outermost:
            # Django logs a receiver that raises.
            signal.send_robust(sender=sender, **arguments)
