"""Several messages in one flight, where the account asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mailsetup.smtp import Account, Envelope, Outcome, Receipt, Session, servers, talk
from mailsetup.smtp.errors import WithdrawnError

from .postman import OFFERS, Decide, MemorySocket, Postman

CHUNKING = (*OFFERS, "CHUNKING")
SMALL = b"Subject: x\r\n\r\nhello\r\n"


class Tower:
    """A watch that counts who leaves together."""

    def __init__(self, *, keeps: Sequence[str] = (), most: int = 1000) -> None:
        self.flights: list[list[str]] = []
        self.settled_in_order: list[str] = []
        self.keeps = keeps
        self.most = most

    @property
    def sizes(self) -> list[int]:
        return [len(flight) for flight in self.flights]

    def goes_on(self) -> bool:
        self.most -= 1
        return self.most >= 0

    def leaving(self, envelopes: Sequence[Envelope]) -> list[bool]:
        self.flights.append([envelope.sender for envelope in envelopes])
        return [envelope.sender not in self.keeps for envelope in envelopes]

    def settled(self, envelope: Envelope, receipt: Receipt) -> None:
        self.settled_in_order.append(envelope.sender)


def mails(number: int, *, content: bytes = SMALL, people: int = 1) -> list[Envelope]:
    return [
        Envelope(
            f"s{nth}@example.com",
            tuple(f"r{nth}-{who}@example.com" for who in range(people)),
            content,
        )
        for nth in range(number)
    ]


def senders(postman: Postman) -> list[str]:
    return [mail.sender for mail in postman.accepted]


@pytest.fixture
def fly(make_account: Callable) -> Callable[..., tuple[list[Receipt], Postman]]:
    """Send to a server that is known to do what it offers."""
    server = servers.server_for("mx.example.com", 25)
    server.pipelines = server.chunks = True

    def run(
        envelopes: list[Envelope],
        tower: Tower,
        *,
        in_flight: int = 20,
        offers: tuple[str, ...] = CHUNKING,
        decide: Decide = lambda stage, nth: None,
        kind: type[Postman] = Postman,
    ) -> tuple[list[Receipt], Postman]:
        postman = kind(offers, decide)
        session = Session(make_account(25, host="mx.example.com", in_flight=in_flight))
        session.sock = MemorySocket(postman)
        session.ehlo("client")
        return session.deliver(envelopes, watch=tower), postman

    return run


def test_few_leave_together_at_first_and_as_many_as_are_allowed_once_they_were_taken(fly) -> None:
    tower = Tower()
    receipts, postman = fly(mails(60), tower)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert tower.sizes == [8, 20, 20, 12]
    names = [f"s{nth}@example.com" for nth in range(60)]
    assert senders(postman) == names == tower.settled_in_order
    assert [name for flight in tower.flights for name in flight] == names


def test_rset_stands_before_each_but_the_first(fly) -> None:
    _, postman = fly(mails(12), Tower(), in_flight=4)
    verbs = [line[:4] for line in postman.commands[1:]]
    one = [b"MAIL", b"RCPT", b"BDAT"]
    assert verbs == (one + [b"RSET", *one] * 3) * 3


def test_flights_get_smaller_with_each_refusal(fly) -> None:
    """Exim puts up with ten commands that are no mail; those behind the last would be in doubt."""
    tower = Tower()
    refused = {0, 9, 10}

    def decide(stage: str, nth: int) -> int | None:
        return 550 if stage == "rcpt" and nth in refused else None

    receipts, postman = fly(mails(40), tower, decide=decide)
    sent = [nth for nth, receipt in enumerate(receipts) if receipt.outcome is Outcome.SENT]
    assert sent == [nth for nth in range(40) if nth not in refused]
    assert senders(postman) == [f"s{nth}@example.com" for nth in sent]
    assert tower.sizes == [8, 7, 5, 5, 5, 5, 5]


@pytest.mark.parametrize("offers", [OFFERS, ("CHUNKING",), ()])
def test_each_leaves_alone_where_the_server_cannot_take_several(fly, offers) -> None:
    tower = Tower()
    receipts, _ = fly(mails(5), tower, offers=offers)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert tower.sizes == [1] * 5


def test_each_leaves_alone_where_the_account_does_not_ask(fly) -> None:
    tower = Tower()
    fly(mails(5), tower, in_flight=1)
    assert tower.sizes == [1] * 5


def test_octets_of_a_flight_are_limited(fly) -> None:
    tower = Tower()
    receipts, _ = fly(mails(10, content=b"x" * 60_000), tower)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert tower.sizes == [4, 4, 2]


def test_replies_to_a_flight_are_limited(fly) -> None:
    """RFC 2920 section 3.1: they have to fit into the receive buffer."""
    tower = Tower()
    receipts, _ = fly(mails(5, people=60), tower)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert tower.sizes == [3, 2]


def test_large_content_leaves_alone_and_in_its_turn(fly) -> None:
    tower = Tower()
    envelopes = mails(7)
    envelopes[3] = Envelope("large@example.com", ("r@example.com",), b"x" * 100_000)
    receipts, postman = fly(envelopes, tower)
    assert {receipt.outcome for receipt in receipts} == {Outcome.SENT}
    assert tower.sizes == [3, 1, 3]
    assert senders(postman)[3] == "large@example.com"


def test_one_taken_back_stays_here_and_the_others_of_its_flight_leave(fly) -> None:
    tower = Tower(keeps=["s0@example.com", "s2@example.com"])
    receipts, postman = fly(mails(4), tower)
    assert tower.sizes == [4]
    assert senders(postman) == ["s1@example.com", "s3@example.com"]
    for nth in (0, 2):
        assert isinstance(receipts[nth].error, WithdrawnError)
        assert not receipts[nth].unsent


def test_nothing_leaves_where_all_are_taken_back(fly) -> None:
    receipts, postman = fly(mails(2), Tower(keeps=["s0@example.com", "s1@example.com"]))
    assert all(isinstance(receipt.error, WithdrawnError) for receipt in receipts)
    assert [line[:4] for line in postman.commands] == [b"ehlo"]


def test_flight_is_not_filled_beyond_where_it_ends(fly) -> None:
    tower = Tower(most=5)
    receipts, _ = fly(mails(9), tower)
    assert [receipt.outcome for receipt in receipts] == [Outcome.SENT] * 5 + [Outcome.RETRY] * 4
    assert [receipt.unsent for receipt in receipts] == [False] * 5 + [True] * 4


def test_reply_too_many_ends_the_conversation_before_the_next_flight(fly) -> None:
    class Talkative(Postman):
        def _say(self, code: int) -> None:
            super()._say(code)
            if self.counts.get("content") == 4:
                super()._say(code)

    tower = Tower()
    receipts, postman = fly(mails(8), tower, in_flight=4, kind=Talkative)
    assert tower.sizes == [4, 4]
    assert [receipt.unsent for receipt in receipts] == [False] * 4 + [True] * 4
    assert len(postman.accepted) == 4


def test_message_that_waits_for_its_flight_is_not_begun_after_the_end(fly) -> None:
    tower = Tower(most=3)
    envelopes = [*mails(2), Envelope("large@example.com", ("r@example.com",), b"x" * 100_000)]
    receipts, postman = fly(envelopes, tower)
    assert senders(postman) == ["s0@example.com", "s1@example.com"]
    assert receipts[2].unsent


def test_flights_are_as_long_as_go_out_in_a_moment(fly, monkeypatch) -> None:
    """Nobody can end a flight, and an urgent mail cannot overtake it."""
    monkeypatch.setattr(talk, "FLIGHT_SECONDS", 1e-9)
    tower = Tower()
    fly(mails(12), tower)
    assert tower.sizes == [8, 1, 1, 1, 1]


class Breaking(MemorySocket):
    """Fails at one of its writes, which takes nothing; what was answered can still be read."""

    def __init__(self, postman: Postman, at: int) -> None:
        super().__init__(postman)
        self.at = at

    def send(self, data: bytes) -> int:
        self.at -= 1
        if self.at < 0:
            raise ConnectionResetError(104, "Connection reset by peer")
        return super().send(data)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # Each write of 64 kB holds the end of a message: that one may have arrived.
        (60_000, {(0, 1, 3), (1, 1, 2), (2, 1, 1), (3, 1, 0), (4, 0, 0)}),
        # The commands of each and its content are a write each.
        (65_536, {(nth, doubt, 4 - nth - doubt) for nth in range(4) for doubt in (0, 1)}),
    ],
)
def test_break_between_two_writes_of_a_flight_leaves_the_rest_unsent(
    make_account, size, expected
) -> None:
    server = servers.server_for("mx.example.com", 25)
    server.pipelines = server.chunks = True
    seen = set()
    for at in range(1, 9):
        postman = Postman(CHUNKING)
        session = Session(make_account(25, host="mx.example.com", in_flight=4))
        session.sock = Breaking(postman, at)
        session.ehlo("client")
        receipts = session.send(mails(4, content=b"x" * (size - 2) + b"\r\n"))
        sent = [receipt.outcome is Outcome.SENT for receipt in receipts]
        assert sum(sent) == len(postman.accepted)
        doubtful = [receipt.outcome is Outcome.AMBIGUOUS for receipt in receipts]
        unsent = [receipt.unsent for receipt in receipts]
        assert sent == sorted(sent, reverse=True)
        assert unsent == sorted(unsent)
        seen.add((sum(sent), sum(doubtful), sum(unsent)))
    assert seen == expected


def test_flight_has_time_for_each_of_its_messages(fly, monkeypatch) -> None:
    given = []

    def time_to_send(self: Account, size: int, messages: int = 1) -> float:
        given.append((size, messages))
        return 100.0

    monkeypatch.setattr(Account, "time_to_send", time_to_send)
    fly(mails(9), Tower())
    assert [messages for _, messages in given] == [8, 1]
    assert given[0][0] > 8 * len(SMALL)
