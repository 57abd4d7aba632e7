"""One message's transaction: its commands, and what the server's answers make of it.

The middle of a batch: it knows what the commands mean, nothing of the order in which messages go.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from . import verdict
from .content import Item, stuffed
from .envelope import Envelope, Receipt, Watch
from .errors import (
    ConnectionLostError,
    Outcome,
    Stage,
    TransportError,
    WithdrawnError,
)
from .flight import ClosingError, Flight
from .replies import Reply
from .servers import server_for
from .talk import Talk
from .wire import Wire

__all__ = ["MOST_COMMANDS", "VOID", "Transactions"]

# Replies to one group must fit in the receive buffer, or both sides wait (RFC 2920 section 3.1).
MOST_COMMANDS: Final = 100
# Stands for the content of a message that nobody gets.
VOID: Final = Item(-1, Envelope("", (), b""))
# Replies to BDAT that mean "what is that?" and not "no".
_UNKNOWN_COMMAND: Final = frozenset({500, 502, 504})
_STAGES: Final = {
    b"RSET": Stage.SENDER,
    b"MAIL": Stage.SENDER,
    b"RCPT": Stage.RECIPIENT,
    b"DATA": Stage.CONTENT,
}


class Transactions(Flight):
    """The transactions of one conversation, and what is known of the server by now."""

    def __init__(
        self,
        wire: Wire,
        talk: Talk,
        envelopes: Sequence[Envelope],
        expires: float | None,
        watch: Watch | None,
    ) -> None:
        account = wire.account
        if expires is None and account.deadline is not None:
            expires = monotonic() + account.deadline
        super().__init__(wire, expires)
        self.talk = talk
        self.watch = watch
        self.envelopes = envelopes
        self.slots: list[Receipt | None] = [None] * len(envelopes)
        self.server = server_for(account.host, account.port)
        self.features = talk.learn(wire, self.server)
        self.width = MOST_COMMANDS if self.features.pipelining else 1
        # How many messages the flight under way holds, and how many whose replies come later.
        self.together = 1
        self.behind = 0
        # Whether the envelope under way went out behind the content of another message.
        self.joined = False
        # The replies to the envelope under way, as far as they have been read.
        self.replies: list[Reply] = []

    def _close(self, index: int, receipt: Receipt) -> None:
        self.slots[index] = receipt
        if self.watch is not None and not receipt.unsent:
            self.watch.settled(self.envelopes[index], receipt)

    def _withdrawn(self) -> TransportError:
        return self.wire.failed(
            WithdrawnError,
            "The message was taken back before it was sent.",
            stage=Stage.CONTENT,
            outcome=Outcome.RETRY,
        )

    def _leave(self, error: TransportError) -> None:
        for index, receipt in enumerate(self.slots):
            if receipt is None:
                item = Item(index, self.envelopes[index])
                self._close(index, verdict.unsent(item, error))

    # Commands

    def _commands(self, item: Item, *, resets: bool = False) -> list[bytes]:
        item.began = monotonic()
        commands = [item.mail, *item.rcpts]
        if resets or self.talk.dirty:
            commands.insert(0, b"RSET\r\n")
        if not self.features.chunking:
            commands.append(b"DATA\r\n")
        return commands

    def _body(self, item: Item) -> list[bytes]:
        if item is VOID:
            return [b".\r\n"]
        if self.features.chunking:
            return [b"BDAT %d LAST\r\n" % len(item.content), item.content]
        return [stuffed(item.content), b".\r\n"]

    # Answers

    def _envelope(self, item: Item, commands: list[bytes], written: int) -> Item | None:
        """Read the replies to *commands*, the first *written* of which have been sent."""
        replies: list[Reply] = []
        self.replies = replies
        wire = self.wire
        total = len(commands)
        try:
            for nth, command in enumerate(commands):
                if nth == written:
                    if self._is_hopeless(commands, replies):
                        break
                    self.put(commands[nth : nth + self.width], 0)
                    written = min(total, nth + self.width)
                wire.stage = _STAGES[command[:4]]
                replies.append(self.read(due=self.left))
        except ConnectionLostError:
            self._doubt_pipelining()
            self._keep_refusal(item, commands)
            raise
        except ClosingError:
            if replies:
                self._doubt_pipelining()
            raise
        if self.broken is not None and not self.left:
            raise ClosingError(self.broken)
        if commands[0] == b"RSET\r\n":
            self._note_reset(replies.pop(0))
        return self._judge(item, replies)

    def _note_reset(self, reply: Reply) -> None:
        if not reply.positive:
            raise ClosingError(self.out_of_step())
        # Exim does not count one between two messages, where nothing failed.
        self.talk.resets += self.talk.dirty
        self.talk.dirty = False

    def _is_hopeless(self, commands: list[bytes], replies: list[Reply]) -> bool:
        """Tell whether the next of *commands* need not be said after *replies*."""
        skip = 1 if commands[0] == b"RSET\r\n" else 0
        if len(replies) <= skip:
            return False
        if not replies[skip].positive:
            return True
        at_data = commands[len(replies)] == b"DATA\r\n"
        return at_data and not any(reply.positive for reply in replies[skip + 1 :])

    def _judge(self, item: Item, replies: list[Reply]) -> Item | None:
        """Settle *item* where its envelope was refused; else return whose body comes next."""
        mail, answers = replies[0], replies[1:]
        data = answers.pop() if len(answers) > len(item.rcpts) else None
        for reply in replies:
            if 300 <= reply.code < 400 and reply is not data:
                raise ClosingError(self.out_of_step())
        for address, reply in zip(item.recipients, answers, strict=False):
            if reply.positive:
                item.accepted.append(address)
            elif mail.positive:
                item.refused[address] = verdict.recipient_refused(self.wire, address, reply)
        waits = data is not None and data.code == 354
        if not mail.positive:
            self._refuse_sender(item, mail)
        elif not item.accepted:
            self._close(item.index, verdict.recipients_refused(self.wire, item))
        elif data is not None and not waits:
            self._refuse_data(item, data)
        else:
            self.server.pipelines = self.server.pipelines or self.width > 1
            return item
        self.talk.dirty = not waits and (mail.positive or bool(item.accepted))
        # RFC 2920 section 3.1: a server that waits for a content nobody gets is given none.
        return VOID if waits else None

    def _refuse_sender(self, item: Item, mail: Reply) -> None:
        if mail.code == 503 and self.joined:
            # Not a word about the sender: it wants nothing behind the end of a content. It may
            # have taken others, which came in a packet of their own.
            self.server.distrust_joining()
            raise ClosingError(self.closes(mail))
        if 400 <= mail.code < 500 and self.talk.count:
            self._leave_to_another(item, mail)
        else:
            self._close(item.index, verdict.sender_refused(self.wire, item, mail))

    def _leave_to_another(self, item: Item, mail: Reply) -> None:
        """Have a new connection carry *item*: this one has carried others, and may be used up.

        OpenSMTPD says 452 to each MAIL after a hundred messages and does not hang up. Refused there
        too, it is the message that is meant.
        """
        error = self.closes(mail)
        self._close(item.index, verdict.unsent(item, error))
        if self.together == 1:
            raise ClosingError(error)
        # The answers to those behind it in the flight are still to be read.
        self.spent = error

    def _refuse_data(self, item: Item, data: Reply) -> None:
        if data.code < 400:
            raise ClosingError(self.out_of_step())
        if data.code == 503 and self.width > 1 and not self.server.pipelines:
            # It took the commands one by one and forgot the others: it cannot pipeline.
            self._doubt_pipelining()
            raise ClosingError(self.out_of_step())
        self._close(item.index, verdict.content_refused(self.wire, item, data))

    def _final(self, item: Item) -> None:
        """Read the reply to the content of *item*, and settle it."""
        self.wire.stage = Stage.CONTENT
        try:
            reply = self.read(self.wire.account.final_timeout, due=self.behind > 0)
        except ConnectionLostError as lost:
            if self.left and item is not VOID:
                self._doubt_chunking()
                self._close(item.index, verdict.ambiguous(item, self.broken or lost))
            raise
        # Behind 421 it goes over another connection.
        if item is not VOID and reply.code != 421:
            self._settle(item, reply)

    def _settle(self, item: Item, reply: Reply) -> None:
        chunking = self.features.chunking
        self.talk.count += 1
        if reply.positive:
            if not self.left and self.broken is not None:
                # It accepts what it cannot have: the last octet is still here.
                raise ClosingError(self.broken)
            self.wire.stage = Stage.ACCEPTED
            self.server.chunks = self.server.chunks or chunking
            self._close(item.index, verdict.sent(item, reply, self.wire.scrub))
        elif reply.code < 400:
            error = self.out_of_step()
            self._close(item.index, verdict.ambiguous(item, error))
            raise ClosingError(error)
        elif chunking and self._knows_no_bdat(reply):
            # The content is being read as commands by now; it was accepted by nobody.
            self.server.distrust_chunking()
            raise ClosingError(self.closes(reply))
        else:
            self.talk.dirty = chunking
            self._close(item.index, verdict.content_refused(self.wire, item, reply))

    def _knows_no_bdat(self, reply: Reply) -> bool:
        if self.server.chunks and self.together > 1:
            # It took others of the same flight, or will; what it does not want is this one.
            return False
        return reply.code in _UNKNOWN_COMMAND or (reply.code == 503 and not self.server.chunks)

    def _doubt_pipelining(self) -> None:
        if self.width > 1 and not self.server.pipelines and self.broken is None:
            self.server.distrust_pipelining()

    def _doubt_chunking(self) -> None:
        if self.features.chunking and not self.server.chunks and self.broken is None:
            self.server.distrust_chunking()

    def _keep_refusal(self, item: Item, commands: list[bytes]) -> None:
        """The connection ended, or fell silent, behind a refused MAIL: that much is known."""
        resets = commands[0] == b"RSET\r\n"
        # Refused, RSET leaves the transaction before open: whose mail this one has become is not
        # known.
        in_step = not resets or all(reply.positive for reply in self.replies[:1])
        mail = next(iter(self.replies[resets:]), None)
        if in_step and mail is not None and not mail.positive:
            # The conversation is over anyway.
            with suppress(ClosingError):
                self._refuse_sender(item, mail)
