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
from time import monotonic
from typing import Final

from . import verdict
from .content import Item, prepare
from .envelope import Envelope, Receipt, Watch
from .errors import ConnectionLostError, Outcome, ReplyTimeoutError, TransportError
from .flight import ClosingError
from .talk import Talk
from .transactions import MOST_COMMANDS, VOID, Transactions
from .wire import Wire

__all__ = ["deliver"]

# A refused sender must not cost the upload of a large content.
_LARGE: Final = 65_536
# What goes out in one flight at most, where several messages do: octets, and replies to them.
_FLIGHT_OCTETS: Final = 262_144
_FLIGHT_REPLIES: Final = 200


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


class _Batch(Transactions):
    # How many messages have been begun; and one that was, and did not fit into the flight.
    taken = 0
    held: Item | None = None

    # The course of a batch

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
            if self.features.chunking and self._is_in_doubt():
                self.server.doubt()
            self._leave(error)
        elif None in self.slots:
            self._leave(self._withdrawn())
        return [receipt for receipt in self.slots if receipt is not None]

    def _is_in_doubt(self) -> bool:
        return any(one is not None and one.outcome is Outcome.AMBIGUOUS for one in self.slots)

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

    def _next(self) -> Item | None:
        while self.held is not None or self.taken < len(self.envelopes):
            if self.watch is not None and not self.watch.goes_on():
                return None
            if self.held is not None:
                item, self.held = self.held, None
                return item
            index = self.taken
            self.taken += 1
            item = prepare(self.wire, self.features, index, self.envelopes[index])
            if item.error is None:
                return item
            self._close(index, verdict.failed(item, item.error))
        return None

    def _still_wanted(self, items: list[Item]) -> list[Item]:
        """Ask, right before their contents go out, which of *items* are still to be sent."""
        if self.watch is None:
            return items
        answers = self.watch.leaving([item.envelope for item in items])
        for item, wanted in zip(items, answers, strict=True):
            if not wanted:
                self._close(item.index, verdict.failed(item, self._withdrawn()))
        return [item for item, wanted in zip(items, answers, strict=True) if wanted]

    def _fits_one_flight(self, item: Item) -> bool:
        server = self.server
        return (
            self.features.chunking
            and server.chunks
            and server.pipelines
            and self.talk.fresh
            # Were RSET refused, the content would go out under the failed one's sender.
            and not self.talk.dirty
            and len(item.content) <= _LARGE
            and len(item.rcpts) <= MOST_COMMANDS
        )

    def _together(self, first: Item) -> list[Item]:
        """Return the messages that go out in one flight, as many as may be in doubt at once."""
        items = [first]
        octets, replies = len(first.content), len(first.rcpts) + 2
        most = self.talk.most_in_flight(self.wire.account.in_flight)
        while len(items) < most:
            item = self._next()
            if item is None:
                break
            octets += len(item.content)
            replies += len(item.rcpts) + 3
            too_much = octets > _FLIGHT_OCTETS or replies > _FLIGHT_REPLIES
            if too_much or not self._fits_one_flight(item):
                self.held = item
                break
            items.append(item)
        return items

    # Flights

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

    def _one_flight(self, item: Item) -> None:
        """Send *item*, envelope and content, with others behind it where the account asks."""
        if self.wire.account.in_flight > 1:
            self._many_in_one(self._together(item))
        elif self.watch is None or self._still_wanted([item]):
            commands = self._commands(item)
            parts = [*commands, *self._body(item)]
            self.put(parts, sum(map(len, parts)))
            self._land(item, commands)
            self._end_where_broken()

    def _many_in_one(self, items: list[Item]) -> None:
        """Send *items*, envelopes and contents, and read the answers to all of them."""
        flown: list[tuple[Item, list[bytes], int]] = []
        parts: list[bytes] = []
        octets = 0
        for item in self._still_wanted(items):
            commands = self._commands(item, resets=bool(parts))
            own = [*commands, *self._body(item)]
            octets += sum(map(len, own))
            parts += own
            flown.append((item, commands, octets))
        if not flown:
            return
        self.together = len(flown)
        self.put(parts, octets, len(flown))
        for nth, (item, commands, end) in enumerate(flown):
            self.left = end <= self.gone
            self.behind = sum(end <= self.gone for _, _, end in flown[nth + 1 :])
            try:
                self._land(item, commands)
            except (ConnectionLostError, ClosingError) as error:
                self._doubt([item for item, _, end in flown[nth + 1 :] if end <= self.gone], error)
                raise
        self._end_where_broken()
        self.together = 1
        self.talk.pace = (monotonic() - flown[0][0].began) / len(flown)
        if len(flown) > 1:
            self.talk.steady = not self.talk.resets and not self.talk.dirty

    def _end_where_broken(self) -> None:
        error = self.broken or self.spent
        if error is not None:
            raise ClosingError(error)

    def _doubt(self, items: list[Item], why: ConnectionLostError | ClosingError) -> None:
        """Settle the messages of a flight behind the one where the conversation ended."""
        error = why.error if isinstance(why, ClosingError) else why
        if not items or self._hung_up(error):
            return
        if error.code is not None:
            # That reply was another one's.
            error = self.unanswered()
        for item in items:
            self._close(item.index, verdict.ambiguous(item, self.broken or error))
