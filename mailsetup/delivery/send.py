"""Sends messages at once: composes each, hands all to one session, settles each by itself."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from django.core.mail import EmailMessage

from mailsetup.delivery import tell
from mailsetup.delivery.compose import Given, composed
from mailsetup.delivery.log.entries import Request, entry, is_wanted
from mailsetup.delivery.log.logbook import write_down
from mailsetup.delivery.reporting import report
from mailsetup.effective import Effective
from mailsetup.exceptions import ConfigurationError
from mailsetup.smtp.errors import Outcome, Stage, TransportError
from mailsetup.smtp.pool import pool
from mailsetup.smtp.session import Envelope, Receipt, Session

# Content kept in memory at once while a batch is sent.
BATCH_BYTES = 8_000_000
BATCH_MESSAGES = 100

# A message, what was made of it, and why nothing was.
Composed = tuple[EmailMessage, tuple[Envelope, Given] | None, Exception | None]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one message.

    Attributes:
        message: as the caller handed it over.
        sent: whether the server took it for at least one recipient, or it was dropped on purpose.
        error: why not; None where it was sent.
    """

    message: EmailMessage
    sent: bool
    error: Exception | None = None


def send(
    messages: Sequence[EmailMessage],
    effective: Effective,
    session: Session | None,
    *,
    sender: type | None = None,
    request: Request | None = None,
) -> list[Settled]:
    """Send messages by one account and return what became of each, in order.

    One message's failure, an invalid address included, does not touch the others.

    Args:
        messages: messages with at least one recipient each.
        effective: the account, as :func:`mailsetup.delivery.choose.choose` returned it.
        session: an open session of the pool. Where it breaks, what has not been sent goes out
            over another one. None only for a profile that does not send.
        sender: what the signals name as their sender.
        request: who asked for them; None to leave them out of the log.

    Raises:
        ConfigurationError: the account cannot be used at all; nothing was sent.
    """
    effective.require_usable()
    if not is_wanted(effective):
        request = None
    if effective["do_not_send"]:
        return [_drop(message, effective, request) for message in messages]
    settled: list[Settled] = []
    for batch in _batches(messages, effective):
        envelopes = [made[0] for _, made, _ in batch if made is not None]
        with _interruption_written_down(batch, effective, request):
            receipts = iter(_deliver(envelopes, effective, session))
        for message, made, error in batch:
            receipt = None if made is None else next(receipts)
            if request is not None:
                write_down(entry(message, request, effective, made, receipt=receipt, error=error))
            why = error if receipt is None else receipt.error
            name = "" if made is None else made[1].message_id
            tell.at_once(message, name, receipt, why, effective=effective, sender=sender)
            settled.append(Settled(message, sent=why is None, error=why))
    return settled


def write_unsent(
    messages: Iterable[EmailMessage],
    request: Request,
    effective: Effective | None,
    error: Exception,
    *,
    sender: type | None = None,
) -> None:
    """Write down, and tell, that messages were not sent, because no server could be asked.

    Args:
        messages: as the caller handed them over.
        request: who asked for them.
        effective: the account; None where none was found.
        error: why.
        sender: what the signals name as their sender.
    """
    for message in messages:
        made = None
        if effective is not None:
            # For its Message-ID and size, and to be kept where it is to be sent again.
            with suppress(Exception):
                made = composed(message, effective)
        name = "" if made is None else made[1].message_id
        tell.at_once(message, name, None, error, effective=effective, sender=sender)
        if is_wanted(effective):
            write_down(entry(message, request, effective, made, error=error))


@contextmanager
def _interruption_written_down(
    batch: Sequence[Composed], effective: Effective, request: Request | None
) -> Iterator[None]:
    """Have the log say of a batch whose process is told to end that its fate is not known."""
    try:
        yield
    except BaseException as error:
        lost = TransportError(
            f"The sending was interrupted ({type(error).__name__}).",
            stage=Stage.CONTENT,
            outcome=Outcome.AMBIGUOUS,
        )
        receipt = Receipt(Outcome.AMBIGUOUS, error=lost)
        for message, made, _ in batch:
            if request is not None and made is not None:
                write_down(entry(message, request, effective, made, receipt=receipt))
        raise


def _deliver(
    envelopes: Sequence[Envelope], effective: Effective, session: Session | None
) -> list[Receipt]:
    if not envelopes or session is None:
        return []
    receipts = list(session.deliver(envelopes))
    left = [index for index, receipt in enumerate(receipts) if receipt.unsent]
    if left:
        # Given back first: the profile may have this one connection only. Closed, so that nobody
        # is given what the caller still holds.
        session.close()
        pool.give_back(session)
        # A secret that opens no more raises; what was sent before must be told all the same.
        with suppress(ConfigurationError):
            again = pool.send(effective.account, [envelopes[index] for index in left])
            for index, receipt in zip(left, again, strict=True):
                receipts[index] = receipt
    return receipts


def _batches(messages: Iterable[EmailMessage], effective: Effective) -> Iterable[list[Composed]]:
    """Compose messages in groups, so that a long batch does not lie in memory whole."""
    batch: list[Composed] = []
    size = 0
    for message in messages:
        try:
            made = composed(message, effective)
        except Exception as error:  # noqa: BLE001 - raised to the caller after the others went
            batch.append((message, None, error))
            continue
        batch.append((message, made, None))
        size += len(made[0].content)
        if size >= BATCH_BYTES or len(batch) >= BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _drop(message: EmailMessage, effective: Effective, request: Request | None) -> Settled:
    if request is not None:
        write_down(entry(message, request, effective))
    report(
        logging.WARNING,
        "A mail (recipients: %d) was dropped: the profile %s is set to “do not send”.",
        len(message.recipients()),
        effective.slug,
    )
    return Settled(message, sent=True)
