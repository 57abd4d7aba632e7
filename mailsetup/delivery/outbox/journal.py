"""Writes down what happens to each message while its batch is on its way.

Before a content leaves, its row says so; and what became of the messages before it is written in
the same transaction. So whatever ends this process, the rows tell which message may have been
accepted without anybody knowing: one, or as many as the profile lets be in flight.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connections, router
from django.utils import timezone

from mailsetup import conf
from mailsetup.delivery import content, tell
from mailsetup.delivery.outbox import claims, settle
from mailsetup.delivery.outbox.claims import Claim
from mailsetup.delivery.outbox.settle import Decision, Judged, Verdict
from mailsetup.delivery.outbox.standing import Standing
from mailsetup.delivery.reporting import report
from mailsetup.delivery.statements import Statement, Table, run
from mailsetup.models import Attempt, LogLevel, Message, State
from mailsetup.smtp.errors import Outcome, TransportError, WithdrawnError
from mailsetup.smtp.session import Envelope, Receipt

# How long what a server answered is kept in memory for a database that does not take it.
_SAVE_SECONDS = 30.0


class Journal:
    """The `Watch` of one claim's batches.

    Args:
        claim: the messages.
        standing: the profile that they go by.
        goes_on: asked before each message; False ends the batch there.
    """

    def __init__(self, claim: Claim, standing: Standing, goes_on: Callable[[], bool]) -> None:
        self.claim = claim
        self.standing = standing
        self.effective = standing.effective
        self.handled = 0
        # The first error that every other mail of the profile would meet too.
        self.trouble: Judged | None = None
        self._goes_on = goes_on
        self._ends = time.monotonic() + conf.option("BATCH_SECONDS")
        self._database = router.db_for_write(Message)
        self._messages = Table(Message, self._database)
        self._attempts = Table(Attempt, self._database)
        self._rows: dict[int, Message] = {}
        self._pending: list[Verdict] = []
        # What has been written and is still to be told.
        self._untold: list[tuple[Verdict, Decision]] = []
        # Whether it is written down that the server takes this profile's mail.
        self._works = False

    def follow(self, envelopes: Sequence[Envelope], rows: Sequence[Message]) -> None:
        """Say which message each envelope of the next batch is."""
        self._rows = {id(one): row for one, row in zip(envelopes, rows, strict=True)}

    # -- What the transport calls

    def goes_on(self) -> bool:
        """Tell whether to begin another message."""
        if self.trouble is not None or not self._goes_on():
            return False
        claims.renew(self.claim)
        return not self.handled or time.monotonic() < self._ends

    def leaving(self, envelopes: Sequence[Envelope]) -> list[bool]:
        """Write down whose contents may be on their way; tell which are still ours to send."""
        # Before the time is taken: a receiver may take as long as it likes.
        self._tell_all()
        rows = [self._rows[id(envelope)] for envelope in envelopes]
        account = self.effective.account
        # Longer than the transport can take for them, the wait for the answers included.
        size = sum(len(envelope.content) for envelope in envelopes)
        takes = account.time_to_send(size, len(envelopes))
        seconds = 1.5 * takes + 30
        # The others wait for them, however large they are.
        claims.renew(self.claim, seconds=takes)
        marks = {
            "leaving": True,
            "claimed_until": timezone.now() + timedelta(seconds=seconds),
        }
        mine = {"claim": self.claim.mark, "state": State.SENDING}
        keys = [row.pk for row in rows]
        marked = self._write(self._messages.update(marks, mine, keys))
        gone = set(keys) if marked == len(keys) else self._marked(keys)
        for row in rows:
            row.leaving = row.pk in gone
        return [row.leaving for row in rows]

    def _marked(self, keys: Sequence[int]) -> set[int]:
        """Return those of *keys* that this claim has marked; a worker has lost the others."""
        marked = self.claim.stands.using(self._database).filter(pk__in=keys, leaving=True)
        return set(marked.values_list("pk", flat=True))

    def settled(self, envelope: Envelope, receipt: Receipt) -> None:
        """Take a receipt; it is written with the next message, or by `flush`."""
        if not isinstance(receipt.error, WithdrawnError):
            self.settle(self._rows[id(envelope)], receipt)

    # -- What the courier calls

    def settle(self, row: Message, receipt: Receipt) -> Judged | None:
        """Take the receipt of a message, and return what its error means."""
        self.handled += 1
        judged = self._judge(receipt.error)
        refused = {
            address: settle.judge(error, self.effective)
            for address, error in receipt.refused.items()
        }
        for one in refused.values():
            if one.outcome in {Outcome.HOLD, Outcome.STOP_PROFILE}:
                # Told for one recipient, and true of the next mail all the same.
                self.trouble = self.trouble or one
        self._pending.append(Verdict(row, receipt, judged, refused, timezone.now()))
        return judged

    def flush(self) -> None:
        """Write what is known; a database that does not answer is asked for a while.

        Raises:
            DatabaseError, InterfaceError: it did not take it. The rows say that the contents
                may be on their way, and the sweep will find them so.
        """
        until = time.monotonic() + _SAVE_SECONDS
        try:
            while self._pending:
                try:
                    self._write()
                except (DatabaseError, InterfaceError):
                    if time.monotonic() > until:
                        raise
                    connections[self._database].close_if_unusable_or_obsolete()
                    time.sleep(0.5)
        finally:
            self._tell_all()

    # -- Writing

    def _write(self, *more: Statement) -> int:
        """Write what is pending, and more with it; return how many rows the last of it met."""
        pending = self._pending
        resends = self.effective["on_ambiguous"] == "resend"
        decided = [(verdict, settle.decide(verdict, resends=resends)) for verdict in pending]
        met = run([*self._statements(decided), *more], self._database)
        self._pending = []
        self._untold += decided
        return met

    def _statements(self, decided: Sequence[tuple[Verdict, Decision]]) -> list[Statement]:
        """Return what settles messages; those that end alike are settled together."""
        mine = {"claim": self.claim.mark}
        unlogged: list[int] = []
        attempts: list[dict[str, Any]] = []
        alike: list[tuple[dict[str, Any], list[int]]] = []
        for verdict, decision in decided:
            row = verdict.row
            if decision.state == State.SENT and row.log == LogLevel.OFF:
                unlogged.append(row.pk)
                continue
            attempts.append(settle.attempt(verdict, self.effective))
            _join(alike, settle.changes(verdict, decision, self.effective), row.pk)
        # Before their attempts: MySQL locks the message in part for a foreign key, and who waits
        # for it then stands in the way of the rest.
        statements = [self._messages.update(values, mine, keys) for values, keys in alike]
        statements += self._attempts.inserts(attempts)
        if unlogged:
            statements.append(self._attempts.delete({}, "message_id", unlogged))
            statements.append(self._messages.delete(mine, "id", unlogged))
        return statements

    def _judge(self, error: Exception | None) -> Judged | None:
        if error is None:
            return None
        assert isinstance(error, TransportError)  # noqa: S101 - receipts hold no other
        judged = settle.judge(error, self.effective)
        if judged.concerns_profile and self.trouble is None:
            self.trouble = judged
        return judged

    def _tell_it_works(self) -> None:
        try:
            self.standing.works()
            self._works = True
        except (DatabaseError, InterfaceError) as error:
            # Of no matter to the message that is on its way by now; the next one tells it.
            report(logging.WARNING, "That the server takes mail was not written down: %s", error)

    def _tell_all(self) -> None:
        """Tell what has been written: not between that and a content that leaves with it."""
        while self._untold:
            self._tell(*self._untold.pop(0))

    def _tell(self, verdict: Verdict, decision: Decision) -> None:
        row = verdict.row
        if verdict.receipt.code is not None and not self._works and self.trouble is None:
            self._tell_it_works()
        if decision.state == State.SENT and row.content_file and row.log != LogLevel.CONTENT:
            content.drop_file(row.content_file)
        tell.settled(verdict, decision, self.effective)


def _join(alike: list[tuple[dict[str, Any], list[int]]], values: dict[str, Any], key: int) -> None:
    """Put a message to those that get the same values; only settled ones have any chance to."""
    for others, keys in alike:
        # By less than a flight takes, they differ in when they were over.
        if "settled_at" in values and values == others | {"settled_at": values["settled_at"]}:
            keys.append(key)
            return
    alike.append((values, [key]))
