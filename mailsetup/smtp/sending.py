"""Sending through a pool: as many connections as it takes, each message at most once.

Sending again after a lost connection happens here, and only for messages whose last octet never
left or that were told 421 (`Receipt.unsent`). What may have been accepted is never sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import verdict
from .account import Account
from .content import Item
from .envelope import Envelope, Receipt, Watch
from .errors import ReplyTimeoutError, TransportError
from .servers import server_for
from .transcript import Transcript

if TYPE_CHECKING:
    from .pool import Pool
    from .session import Session

__all__ = ["send"]

# Connections in a row that may fail without one message settled, the fallback for a server that
# cannot do what it offers included.
_MAX_VAIN: Final = 3


def send(
    pool: Pool,
    account: Account,
    envelopes: Sequence[Envelope],
    *,
    transcript: Transcript | None,
    expires: float | None,
    watch: Watch | None,
) -> list[Receipt]:
    """Send *envelopes* through *pool*; see `Pool.send`."""
    given: dict[str, Any] = {"transcript": transcript, "expires": expires, "watch": watch}
    receipts, goes_on = _attempt(pool, account, envelopes, new=False, **given)
    vain = 0
    while goes_on and vain < _MAX_VAIN and (expires is None or monotonic() < expires):
        if watch is not None and not watch.goes_on():
            break
        left = [index for index, receipt in enumerate(receipts) if receipt.unsent]
        if not left:
            break
        rest = [envelopes[index] for index in left]
        try:
            fresh, goes_on = _attempt(pool, account, rest, new=True, **given)
        except Exception:  # noqa: BLE001
            # The secret cannot be opened any more. The caller must hear what was sent before.
            break
        vain = vain + 1 if all(receipt.unsent for receipt in fresh) else 0
        for index, receipt in zip(left, fresh, strict=True):
            receipts[index] = receipt
    return receipts


def _attempt(
    pool: Pool,
    account: Account,
    envelopes: Sequence[Envelope],
    *,
    transcript: Transcript | None,
    expires: float | None,
    watch: Watch | None,
    new: bool,
) -> tuple[list[Receipt], bool]:
    """Send over one connection; tell also whether another may bring the rest further."""
    began = monotonic()
    failure: TransportError | None = None
    try:
        session = pool.borrow(account, transcript=transcript, expires=expires, new=new)
    except TransportError as error:
        failure = error.clean()
    if failure is not None:
        return [
            verdict.failed(Item(index, envelope), failure, unsent=True)
            for index, envelope in enumerate(envelopes)
        ], False
    try:
        receipts = session.deliver(envelopes, expires=expires, watch=watch)
    finally:
        pool.give_back(session)
    if not session.talk.over:
        return receipts, False
    # A kept one was bound to fail some day, and the server may have shown what it cannot do.
    goes_on = session.born < began or _has_learnt(session) or _is_worth_it(receipts)
    return receipts, goes_on


def _has_learnt(session: Session) -> bool:
    features = session.talk.features
    server = server_for(session.account.host, session.account.port)
    return features is not None and features.changes != server.changes


def _is_worth_it(receipts: Sequence[Receipt]) -> bool:
    """Tell whether a new connection may do better than a new one just did."""
    if any(not receipt.unsent for receipt in receipts):
        return True
    error = receipts[0].error
    # A server that is silent, or says that it closes, will do so again.
    return not isinstance(error, ReplyTimeoutError) and error is not None and error.code is None
