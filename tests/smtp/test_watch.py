"""Who keeps the messages hears of each before its content leaves, and once it is settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from mailsetup.smtp import Envelope, Outcome, Pool, Receipt
from mailsetup.smtp.errors import WithdrawnError

from .postman import OFFERS, Office, Postman

KINDS = {
    "one by one": ("SIZE 50000000",),
    "pipelining": OFFERS,
    "chunking": (*OFFERS, "CHUNKING"),
}


class Witness:
    """Writes down what it hears, and what the server had accepted by then."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.heard: list[tuple[str, str, int]] = []
        self.keep_back: set[str] = set()
        self.most = 100
        self.fails_at = ""

    def goes_on(self) -> bool:
        self.most -= 1
        return self.most >= 0

    def leaving(self, envelopes: Sequence[Envelope]) -> list[bool]:
        names = [envelope.sender for envelope in envelopes]
        self.heard += [("leaving", name, len(self.office.accepted)) for name in names]
        if self.fails_at in names:
            raise RuntimeError(self.fails_at)
        return [name not in self.keep_back for name in names]

    def settled(self, envelope: Envelope, receipt: Receipt) -> None:
        words = f"settled {receipt.outcome}"
        self.heard.append((words, envelope.sender, len(self.office.accepted)))


@pytest.fixture(params=KINDS)
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    office = Office(lambda: Postman(KINDS[request.param]))
    yield office
    office.close()


@pytest.fixture
def send(make_account: Callable, office: Office) -> Iterator[Callable[..., list[Receipt]]]:
    pool = Pool()

    def run(watch: Witness, count: int = 3) -> list[Receipt]:
        account = make_account(office.port, host="127.0.0.1", key=("default", 1))
        return pool.send(account, [mail(nth) for nth in range(count)], watch=watch)

    yield run
    pool.close_all()


def mail(nth: int) -> Envelope:
    return Envelope(f"{nth}@example.com", ("b@example.com",), b"Subject: x\r\n\r\n%d\r\n" % nth)


def senders(office: Office) -> list[str]:
    return [accepted.sender for accepted in office.accepted]


def test_each_is_told_before_it_leaves_and_after_it_was_accepted(send, office) -> None:
    witness = Witness(office)
    receipts = send(witness)
    assert [receipt.outcome for receipt in receipts] == [Outcome.SENT] * 3
    assert witness.heard == [
        (word, f"{nth}@example.com", before)
        for nth in range(3)
        for word, before in (("leaving", nth), ("settled sent", nth + 1))
    ]


def test_one_taken_back_is_not_sent_and_the_others_are(send, office) -> None:
    witness = Witness(office)
    witness.keep_back = {"1@example.com"}
    receipts = send(witness)
    assert [receipt.error is None for receipt in receipts] == [True, False, True]
    assert isinstance(receipts[1].error, WithdrawnError)
    assert not receipts[1].unsent
    assert senders(office) == ["0@example.com", "2@example.com"]


def test_batch_ends_between_messages_where_it_is_told_to(send, office) -> None:
    witness = Witness(office)
    witness.most = 2
    receipts = send(witness, 4)
    assert [receipt.outcome for receipt in receipts] == ["sent", "sent", "retry", "retry"]
    assert [receipt.unsent for receipt in receipts] == [False, False, True, True]
    assert senders(office) == ["0@example.com", "1@example.com"]


def test_failure_to_write_down_reaches_the_caller_and_nothing_more_leaves(send, office) -> None:
    witness = Witness(office)
    witness.fails_at = "1@example.com"
    with pytest.raises(RuntimeError):
        send(witness)
    assert senders(office) == ["0@example.com"]
    assert [word for word, _, _ in witness.heard] == ["leaving", "settled sent", "leaving"]


def test_refused_message_is_told_without_having_left(make_account) -> None:
    refusing = Postman(decide=lambda stage, nth: 550 if stage == "mail" and nth == 1 else None)
    office = Office(lambda: refusing)
    witness = Witness(office)
    pool = Pool()
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    receipts = pool.send(account, [mail(nth) for nth in range(3)], watch=witness)
    pool.close_all()
    office.close()
    assert [receipt.error is None for receipt in receipts] == [True, False, True]
    told = [name for word, name, _ in witness.heard if word.startswith("settled")]
    assert told == ["0@example.com", "1@example.com", "2@example.com"]
    assert ("leaving", "1@example.com", 1) not in witness.heard
