"""Messages whose envelope and content go out in one flight, one or several of them.

The upper middle of a batch: it picks what goes together, and reads the replies to all of it.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from . import verdict
from .content import Item, prepare
from .errors import ConnectionLostError, TransportError
from .flight import ClosingError
from .transactions import MOST_COMMANDS, Transactions

__all__ = ["Together"]

# A refused sender must not cost the upload of a large content.
_LARGE: Final = 65_536
# What goes out in one flight at most, where several messages do: octets, and replies to them.
_FLIGHT_OCTETS: Final = 262_144
_FLIGHT_REPLIES: Final = 200


class Together(Transactions):
    """The flights of one conversation."""

    # How many messages have been begun; and one that was, and did not fit into the flight.
    taken = 0
    held: Item | None = None

    # What goes

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

    # On its way, and back

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
        gone = [item for item, _, end in flown if end <= self.gone]
        for nth, (item, commands, _) in enumerate(flown):
            self.left = nth < len(gone)
            self.behind = len(gone) - nth - 1
            try:
                self._land(item, commands)
            except (ConnectionLostError, ClosingError) as error:
                self._doubt(gone[nth + 1 :], error)
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
        if not items or (error.code == 421 and not self.silent):
            return
        if error.code is not None:
            # That reply was another one's.
            error = self.unanswered()
        for item in items:
            self._close(item.index, verdict.ambiguous(item, self.broken or error))

    # Answers

    def _land(self, item: Item, commands: list[bytes]) -> None:
        """Read the replies to a message that went out in one flight, and settle it."""
        ready: Item | None = None
        try:
            ready = self._envelope(item, commands, len(commands))
        except ConnectionLostError as lost:
            if self.left and self.slots[item.index] is None:
                self._close(item.index, verdict.ambiguous(item, self.broken or lost))
            raise
        except ClosingError as closing:
            error = closing.error
            if (
                self.left
                and self.slots[item.index] is None
                and not self._is_refused(commands, error)
            ):
                error = self.unanswered() if error.code == 421 else error
                self._close(item.index, verdict.ambiguous(item, error))
            raise
        if ready is None:
            self._stay_in_step(item)
        else:
            self._final(item)

    def _stay_in_step(self, item: Item) -> None:
        """Read the reply to the BDAT of a message whose envelope was refused."""
        self.talk.dirty = True
        reply = self.read(self.wire.account.final_timeout, due=self.behind > 0)
        if reply.positive and (item.accepted or self.spent is not None):
            # It took the content for recipients, though not from this sender: whose mail was it?
            # Or it answers for the one before, and said 421 unasked.
            error = self.out_of_step()
            self._close(item.index, verdict.ambiguous(item, error))
            raise ClosingError(error)

    def _is_refused(self, commands: list[bytes], error: TransportError) -> bool:
        """Tell whether nobody accepted the message under way, for certain.

        Out of step, what was read tells nothing. After 421 and silence it is certain where MAIL was
        refused, or where that was what 421 was said to; not where RSET in front of it was.
        """
        if error.code != 421 or not self.silent:
            return error.code == 421
        resets = commands[0] == b"RSET\r\n"
        reset, mail = self.replies[:resets], self.replies[resets : resets + 1]
        is_reset = len(reset) == resets and all(reply.positive for reply in reset)
        return is_reset and not any(reply.positive for reply in mail)
