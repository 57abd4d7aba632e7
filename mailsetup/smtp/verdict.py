"""From a server's replies to receipts: who got the mail, who did not and why.

A message is sent when its sender, at least one recipient and, after its last octet, its content
were accepted; nothing less.
"""

from __future__ import annotations

import copy
from time import monotonic

from .content import Item
from .envelope import Receipt
from .errors import (
    ContentRefusedError,
    Outcome,
    RecipientsRefusedError,
    SenderRefusedError,
    Stage,
    TransportError,
)
from .replies import Reply
from .scrub import Scrubber
from .wire import Wire

__all__ = [
    "ambiguous",
    "content_refused",
    "failed",
    "recipient_refused",
    "recipients_refused",
    "sender_refused",
    "sent",
    "unsent",
]


def sent(item: Item, reply: Reply, scrub: Scrubber) -> Receipt:
    """The content was accepted for `item.accepted`."""
    return Receipt(
        Outcome.SENT,
        tuple(item.accepted),
        item.refused,
        reply.words(scrub),
        reply.code,
        reply.enhanced_code,
        None,
        monotonic() - item.began,
    )


def failed(item: Item, error: TransportError, *, unsent: bool = False) -> Receipt:
    """The message was not sent; *error* tells why."""
    return Receipt(
        error.outcome,
        (),
        item.refused,
        error.reply,
        error.code,
        error.enhanced_code,
        error,
        monotonic() - item.began if item.began else error.seconds,
        unsent,
    )


def unsent(item: Item, error: TransportError) -> Receipt:
    """The connection failed before the message was complete: sending it again is safe."""
    # Each message its own error: raising one collects a traceback in it.
    error = copy.copy(error)
    error.outcome = Outcome.RETRY
    return failed(item, error, unsent=True)


def ambiguous(item: Item, error: TransportError) -> Receipt:
    """The last octet may have left and no final reply came (RFC 1047): nobody knows."""
    error = copy.copy(error)
    error.args = (f"{error} Whether the message was accepted is not known.",)
    error.stage = Stage.CONTENT
    error.outcome = Outcome.AMBIGUOUS
    return failed(item, error)


def sender_refused(wire: Wire, item: Item, reply: Reply) -> Receipt:
    """The reply to MAIL was no."""
    error = wire.failed(
        SenderRefusedError,
        f"{wire.account.host} refused the sender {item.envelope.sender or '<>'}",
        reply,
        stage=Stage.SENDER,
    )
    assert isinstance(error, SenderRefusedError)  # noqa: S101 - tells mypy
    error.sender = item.envelope.sender
    return failed(item, error)


def recipient_refused(wire: Wire, address: str, reply: Reply) -> TransportError:
    """The reply to one RCPT was no."""
    error = wire.failed(
        RecipientsRefusedError,
        f"{wire.account.host} refused the recipient {address}",
        reply,
        stage=Stage.RECIPIENT,
    )
    error.__dict__["recipients"] = {address: (reply.code, error.smtp_error)}
    return error


def recipients_refused(wire: Wire, item: Item) -> Receipt:
    """Every recipient was refused; one that may do later makes the message worth a retry."""
    errors = list(item.refused.values())
    if len(errors) == 1:
        return failed(item, errors[0])
    later = next((error for error in errors if error.outcome is Outcome.RETRY), errors[0])
    error = RecipientsRefusedError(
        f"{wire.account.host} refused all {len(errors)} recipients; one reply: {later.reply}",
        stage=Stage.RECIPIENT,
        outcome=later.outcome,
        code=later.code,
        enhanced_code=later.enhanced_code,
        reply=later.reply,
        host=wire.account.host,
        port=wire.account.port,
    )
    error.recipients = {
        address: (refusal.smtp_code, refusal.smtp_error)
        for address, refusal in item.refused.items()
    }
    return failed(item, error)


def content_refused(wire: Wire, item: Item, reply: Reply) -> Receipt:
    """The reply to DATA, BDAT or the content was no."""
    return failed(
        item,
        wire.failed(
            ContentRefusedError,
            f"{wire.account.host} refused the message",
            reply,
            stage=Stage.CONTENT,
        ),
    )
