"""Entries of the mail log about mails sent at once, and the rows that they become.

An entry is made where the mail is sent, so it takes down no more than what may change there
later. All else (redacting, judging, sealing) is done by whoever writes the rows.
"""

import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.mail import EmailMessage
from django.db import router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import get_language, gettext_noop

from mailsetup.delivery import content, moments, rows
from mailsetup.delivery.compose import Given, identity
from mailsetup.delivery.log.caller import Caller
from mailsetup.delivery.log.facts import facts, storable
from mailsetup.delivery.log.sentences import in_english
from mailsetup.delivery.outbox import settle
from mailsetup.delivery.reporting import is_reporting
from mailsetup.effective import Effective
from mailsetup.models import Attempt, LogLevel, Message, State
from mailsetup.models.message import TROUBLED
from mailsetup.redaction import redact
from mailsetup.smtp.envelope import Envelope, Receipt
from mailsetup.smtp.errors import Outcome, TransportError


@dataclass(frozen=True, slots=True)
class Request:
    """What several mails that were handed over together have in common.

    Attributes:
        caller: who asked for them.
        profile: the profile that the mailer names, or "".
        alias: the mailer of Django 6.1, or "".
        reports_failure: they report a failing mail.
    """

    caller: Caller
    profile: str = ""
    alias: str = ""
    reports_failure: bool = field(default_factory=is_reporting)


@dataclass(slots=True)
class Entry:
    """One mail, and what became of it.

    Attributes:
        request: who asked, and how.
        effective: the account; None where none was found.
        subject: as the app gave it.
        from_email: the From that goes out.
        recipients: the bare addresses, or what stood in their place.
        message_id: its Message-ID, or "".
        size: of the content, in octets; 0 where none was made.
        receipt: what the server said; None where none was asked.
        error: why it was not sent.
        kept: the content and what the app said of its sender, where the log keeps it.
        at: when it was over, seconds of the epoch.
        language: of the sentence in the error, where it is ours.
    """

    request: Request
    effective: Effective | None
    subject: str
    from_email: str
    recipients: Sequence[str]
    message_id: str = ""
    size: int = 0
    receipt: Receipt | None = None
    error: Exception | None = None
    kept: tuple[Envelope, Given] | None = None
    at: float = field(default_factory=time.time)
    language: str | None = field(default_factory=get_language)

    @property
    def octets(self) -> int:
        """How much it keeps in memory, as far as that counts."""
        return self.size if self.kept is not None else 0


def is_wanted(effective: Effective | None) -> bool:
    """Tell whether mails of this account are written down at all."""
    return effective is None or effective["log"] != LogLevel.OFF


def entry(
    message: EmailMessage,
    request: Request,
    effective: Effective | None,
    composed: tuple[Envelope, Given] | None = None,
    *,
    receipt: Receipt | None = None,
    error: Exception | None = None,
) -> Entry:
    """Return the entry of a mail.

    Args:
        message: as the app handed it over.
        request: who asked for it, and how.
        effective: the account; None where none was found.
        composed: its envelope, and what the app said of its sender; None where it could not be
            composed, or never was.
        receipt: what the server said; None where none was asked.
        error: why it was not sent, where the receipt does not tell.
    """
    subject = str(message.subject)
    sender = str(message.from_email) if composed is None else composed[1].header
    if effective is not None:
        # What goes out, which may be another one than the app asked for.
        sender = identity(sender, effective.sender_rules).sender
    if receipt is not None and receipt.error is not None:
        receipt = receipt._replace(error=copy(receipt.error))
    if error is not None:
        error = _bare(error)
    if composed is None:
        found = Entry(request, effective, subject, sender, [str(to) for to in message.recipients()])
        found.message_id = _message_id(message)
        found.error = error
        return found
    envelope, given = composed
    keeps = effective is not None and effective["log"] == LogLevel.CONTENT
    return Entry(
        request,
        effective,
        subject,
        sender,
        envelope.recipients,
        given.message_id,
        len(envelope.content),
        receipt,
        error if receipt is None else receipt.error,
        composed if keeps else None,
    )


def _bare(error: Exception) -> Exception:
    """Return an error without the frames it went through: they hold mails with attachments."""
    if isinstance(error, TransportError):
        return copy(error)
    return Exception(str(error) or type(error).__name__)


def _message_id(message: EmailMessage) -> str:
    headers = message.extra_headers or {}
    return next((str(headers[name]) for name in headers if name.lower() == "message-id"), "")


def insert(entries: Sequence[Entry]) -> None:
    """Write entries and their attempts down, in one transaction.

    Raises:
        DatabaseError, InterfaceError: the database does not take them; nothing was written.
    """
    database = router.db_for_write(Message)
    connection = transaction.get_connection(database)
    kept = [(one, row := _values(one), _with_content(one, row)) for one in entries if one.kept]
    plain = [(one, _values(one)) for one in entries if not one.kept]
    try:
        with transaction.atomic(using=database):
            keys = _insert(Message, [row for _, row in plain], connection)
            attempts = [_attempt(*pair, key) for pair, key in zip(plain, keys, strict=True)]
            for one, row, message in kept:
                message.save(using=database, force_insert=True)
                attempts.append(_attempt(one, row, message.pk))
            _insert(Attempt, [row for row in attempts if row is not None], connection)
    except BaseException:
        for _one, _row, message in kept:
            content.drop_file(message.content_file)
        raise


def _insert(
    model: type[Message | Attempt],
    values: Sequence[Mapping[str, Any]],
    connection: BaseDatabaseWrapper,
) -> list[int]:
    if rows.can_insert(connection):
        return rows.insert(model, values, connection)
    return [model.objects.using(connection.alias).create(**row).pk for row in values]


def _values(one: Entry) -> dict[str, Any]:
    """Return the columns of the message."""
    effective, request = one.effective, one.request
    state = _state(one)
    at = moments.stored(datetime.fromtimestamp(one.at, UTC))
    seconds = 0.0
    if one.receipt is not None:
        seconds = one.receipt.seconds
    elif isinstance(one.error, TransportError):
        seconds = one.error.seconds
    return {
        "state": state.value,
        "created_at": at - timedelta(seconds=seconds),
        "settled_at": at,
        "requested": request.profile[:50],
        "alias": request.alias[:100],
        "profile": effective.slug if effective is not None else request.profile[:50],
        "size": one.size,
        "delivered": state == State.SENT,
        "attempts_made": int(state != State.DROPPED),
        "reason": _reason(one, state),
        "needs_attention": state in TROUBLED and not request.reports_failure,
        "reports_failure": request.reports_failure,
        "log": str(effective["log"]) if effective is not None else LogLevel.ENVELOPE.value,
        **facts(one.subject, one.from_email, one.recipients, one.message_id, request.caller),
    }


def _with_content(one: Entry, values: Mapping[str, Any]) -> Message:
    """Return the row of an entry whose content is kept."""
    if one.kept is None or one.effective is None:
        raise TypeError("An entry without a content has none to keep.")
    frozen, recipe = content.as_given(*one.kept, one.effective)
    message = Message(recipe=recipe, **values)
    content.keep(message, frozen)
    return message


def _state(one: Entry) -> State:
    if one.receipt is None:
        return State.DROPPED if one.error is None else State.FAILED
    if one.error is None:
        return State.SENT
    return State.AMBIGUOUS if one.receipt.outcome is Outcome.AMBIGUOUS else State.FAILED


def _reason(one: Entry, state: State) -> str:
    if state == State.DROPPED:
        return gettext_noop("The profile is set to “do not send”.")
    if one.error is not None:
        words = storable(in_english(str(one.error), one.language))
        # What an app's own code raises may hold anything.
        is_server = isinstance(one.error, TransportError)
        return settle.shown(words, one.error) if is_server else redact(words)
    refused = one.receipt.refused.values() if one.receipt is not None else ()
    return "\n".join(storable(str(error)) for error in refused)


def _attempt(one: Entry, values: Mapping[str, Any], key: int) -> dict[str, Any] | None:
    """Return the columns of the attempt; None for a mail that was not to be sent."""
    if not values["attempts_made"]:
        return None
    receipt, effective = one.receipt, one.effective
    known = {"message_id": key, "number": 1}
    if receipt is None and isinstance(one.error, TransportError):
        # There was no connection to send it over.
        receipt = _receipt(one.error)
    if receipt is None or effective is None:
        return known | {
            "started_at": values["settled_at"],
            "profile": values["profile"],
            "error": values["reason"],
        }
    judged = settle.judge(receipt.error, effective) if receipt.error is not None else None
    refused = {
        address: settle.judge(error, effective) for address, error in receipt.refused.items()
    }
    at = values["settled_at"]
    return known | settle.attempt_values(receipt, judged, refused, effective, at=at)


def _receipt(error: TransportError) -> Receipt:
    return Receipt(
        error.outcome,
        reply=error.reply,
        code=error.code,
        enhanced_code=error.enhanced_code,
        error=error,
        seconds=error.seconds,
    )
