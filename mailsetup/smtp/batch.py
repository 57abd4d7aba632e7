"""A run of messages over one connection: a round trip each, or less.

Where the server offers PIPELINING (RFC 2920) a group of commands goes out as one write. With
CHUNKING too (RFC 3030) a small message is one group: MAIL, RCPT, BDAT LAST. Without it, the
content of one message and the envelope of the next are one group:

    MAIL RCPT DATA -> 250 250 354
    content . MAIL RCPT DATA -> 250 (sent)  250 250 354
    content . -> 250 (sent)

Without PIPELINING every command waits for the reply to the one before.

Never more than one message is in doubt, unless the account asks for more in flight: then several
small messages are one group, each but the first after RSET, and nothing more is sent until all
their replies have been read.

What must hold, whatever the server does and wherever the connection breaks:

* a message whose last octet may have left and whose final reply was not read is *ambiguous*;
  those before it have been settled, and those after its flight have sent no content;
* after a failed transaction RSET comes before the next MAIL (Exim keeps the recipients of a
  failed BDAT, and the next message would go out under the failed one's sender);
* what cannot be read in step any more is dropped, not guessed at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .content import Item
from .envelope import Envelope, Receipt, Watch
from .errors import ConnectionLostError, Outcome, ReplyTimeoutError, TransportError
from .flight import ClosingError
from .talk import Talk
from .together import Together
from .transactions import VOID
from .wire import Wire

__all__ = ["deliver"]


def deliver(
    wire: Wire,
    talk: Talk,
    envelopes: Sequence[Envelope],
    expires: float | None,
    watch: Watch | None = None,
) -> list[Receipt]:
    """Send *envelopes* over *wire* and return a receipt for each, in order."""
    wire.disown()
    try:
        receipts = _Batch(wire, talk, envelopes, expires, watch).run()
    except BaseException:
        # Interrupted in the middle: nobody knows where the conversation stands.
        talk.over = True
        wire.close()
        raise
    wire.expires = math.inf
    if talk.over:
        wire.close()
    return receipts


class _Batch(Together):
    def run(self) -> list[Receipt]:
        error: TransportError | None = None
        try:
            self._converse()
        except ClosingError as closing:
            error = closing.error
        except ConnectionLostError as lost:
            error = self.broken or lost
        if error is not None:
            self.talk.over = True
            self._leave(error)
        elif None in self.slots:
            self._leave(self._withdrawn())
        receipts = [receipt for receipt in self.slots if receipt is not None]
        if self.features.chunking:
            self._note_doubt({receipt.outcome for receipt in receipts})
        return receipts

    def _note_doubt(self, outcomes: set[Outcome]) -> None:
        if Outcome.AMBIGUOUS in outcomes:
            self.server.doubt()
        elif Outcome.SENT in outcomes:
            self.server.doubts = 0

    def _converse(self) -> None:
        joins = self.features.joining and not self.features.chunking
        pending: Item | None = None
        while True:
            item = self._next() if pending is None or joins else None
            if pending is None:
                if item is None:
                    return
                if self._fits_one_flight(item):
                    self._one_flight(item)
                    continue
            pending = self._turn(pending, item)
            self.talk.fresh = True

    def _turn(self, pending: Item | None, item: Item | None) -> Item | None:
        """Send the body of *pending* and the envelope of *item*, and read both answers."""
        if pending is not None and pending is not VOID and not self._still_wanted([pending]):
            # The server waits for this content; the rest goes over another connection.
            raise ClosingError(self._withdrawn())
        parts = [] if pending is None else self._body(pending)
        mark = sum(map(len, parts))
        commands = [] if item is None else self._commands(item)
        ahead = commands[: self.width] if pending is None or self.width > 1 else []
        self.put([*parts, *ahead], mark)
        if pending is not None:
            self._final(pending)
            if self.broken is not None:
                raise ClosingError(self.broken)
        if item is None:
            return None
        # That was the content of the one before.
        self.left = False
        self.joined = pending is not None and bool(ahead)
        try:
            return self._envelope(item, commands, len(ahead))
        except ReplyTimeoutError:
            if self.joined and not self.replies:
                # It may have thrown away what stood behind the content.
                self.server.distrust_joining()
            raise
