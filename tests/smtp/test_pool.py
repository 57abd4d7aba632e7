"""What the pool keeps, gives up, shares and never does twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mailsetup.smtp import Account, Encryption, Envelope, Login, Outcome, Secret, Session
from mailsetup.smtp import kept as kept_module
from mailsetup.smtp.errors import PoolTimeoutError, RefusedConnectionError
from mailsetup.smtp.pool import Pool
from mailsetup.smtp.servers import server_for

from .postman import OFFERS, Office, Postman


def mail(nth: int = 0) -> Envelope:
    return Envelope(f"s{nth}@example.com", ("b@example.com",), b"Subject: x\r\n\r\nx\r\n")


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close_all()


@pytest.fixture
def start_office() -> Iterator[Callable[..., Office]]:
    offices: list[Office] = []

    def start(*args, **kwargs) -> Office:
        offices.append(Office(*args, **kwargs))
        return offices[-1]

    yield start
    for office in offices:
        office.close()


@pytest.fixture
def office(start_office) -> Office:
    return start_office()


@pytest.fixture
def account(office, make_account) -> Account:
    return make_account(office.port, host="127.0.0.1", key=("default", 1))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)


def send(pool: Pool, account: Account, *envelopes: Envelope) -> None:
    receipts = pool.send(account, envelopes or [mail()])
    assert [receipt.error for receipt in receipts] == [None] * len(receipts)


def test_session_is_kept_and_the_last_one_in_is_the_first_one_out(pool, office, account):
    one, two = pool.borrow(account), pool.borrow(account)
    pool.give_back(one)
    pool.give_back(two)
    assert pool.borrow(account) is two
    assert pool.borrow(account) is one
    for session in (one, two):
        pool.give_back(session)
    send(pool, account)
    send(pool, account)
    assert len(office.postmen) == 2
    assert repr(pool) == "<Pool 2 connections, 2 idle>"


def test_account_without_key_is_not_kept(pool, office, make_account):
    account = make_account(office.port)
    send(pool, account)
    send(pool, account)
    wait_for(lambda: office.commands.count(b"QUIT") == 2)
    assert len(office.postmen) == 2


@pytest.mark.parametrize(
    ("limit", "value", "connections"),
    [("max_idle", 0.0, 3), ("max_age", 0.0, 3), ("max_messages", 2, 2), ("max_messages", 3, 1)],
)
def test_limits_end_a_connection(pool, office, make_account, limit, value, connections):
    account = make_account(office.port, key=("default", 1), **{limit: value})
    for _ in range(3):
        send(pool, account)
    assert len(office.postmen) == connections


def test_idle_session_is_closed_in_time_though_nobody_comes(pool, office, make_account):
    account = make_account(office.port, key=("default", 1), max_idle=0.1)
    send(pool, account)
    wait_for(lambda: b"QUIT" in office.commands)
    wait_for(lambda: pool._reaper is None)
    assert repr(pool) == "<Pool 0 connections, 0 idle>"
    send(pool, account)
    assert len(office.postmen) == 2


def test_end_of_the_process_where_no_thread_starts_fails_no_mail(
    pool, office, account, monkeypatch
):
    start = threading.Thread.start
    refused = []

    def refuse(thread):
        if not thread.name.startswith("mailsetup"):
            return start(thread)
        refused.append(thread.name)
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        (receipt,) = pool.send(account, [mail()])
    assert refused == ["mailsetup-dns", "mailsetup-pool"]
    assert receipt.outcome is Outcome.SENT
    assert repr(pool) == "<Pool 1 connections, 1 idle>"
    pool.close_all()
    assert repr(pool) == "<Pool 0 connections, 0 idle>"


def test_connection_closed_by_the_server_costs_a_reconnect_and_nothing_else(pool, office, account):
    send(pool, account)
    office.hang_up()
    send(pool, account)
    assert len(office.accepted) == 2
    assert len(office.postmen) == 2


@pytest.mark.parametrize("offers", [(), ("PIPELINING",), (*OFFERS, "CHUNKING")])
@pytest.mark.parametrize("verdict", [421, "close"])
def test_kept_connection_that_closes_at_the_envelope_costs_a_reconnect(
    pool, start_office, make_account, offers, verdict
):
    seen = []

    def decide(stage: str, nth: int):
        seen.append(stage)
        return verdict if stage == "mail" and seen.count("mail") == 2 else None

    office = start_office(lambda: Postman(offers, decide))
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    send(pool, account)
    if verdict == "close":
        # As after a pause: the envelope goes first, to prove that the connection lives.
        pool._groups["default"].idle[0].used -= 5
    send(pool, account, mail(1), mail(2))
    assert len(office.postmen) == 2
    assert [accepted.sender[:2] for accepted in office.accepted] == ["s0", "s1", "s2"]


def test_after_a_pause_the_envelope_goes_first(pool, start_office, make_account, monkeypatch):
    office = start_office(lambda: Postman((*OFFERS, "CHUNKING")))
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    writes = []
    written = Session.write

    def spy(self, data, shown=None):
        writes.append(data)
        return written(self, data, shown)

    send(pool, account)
    send(pool, account)
    monkeypatch.setattr(Session, "write", spy)
    send(pool, account)
    assert [b"BDAT" in data for data in writes] == [True]
    writes.clear()
    monkeypatch.setattr(kept_module, "_FRESH", -1.0)
    send(pool, account)
    assert [b"BDAT" in data for data in writes] == [False, True]


@pytest.mark.parametrize("offers", [(), ("PIPELINING",), (*OFFERS, "CHUNKING")])
def test_what_may_have_been_accepted_is_never_sent_again(pool, start_office, make_account, offers):
    office = start_office(
        lambda: Postman(
            offers, lambda stage, nth: "close" if (stage, nth) == ("content", 1) else None
        )
    )
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    receipts = pool.send(account, [mail(nth) for nth in range(4)])
    outcomes = [receipt.outcome for receipt in receipts]
    # The second content of each connection is in doubt; what is behind it goes on a new one.
    assert outcomes == [Outcome.SENT, Outcome.AMBIGUOUS, Outcome.SENT, Outcome.AMBIGUOUS]
    assert [accepted.sender[:2] for accepted in office.accepted] == ["s0", "s2"]
    assert len(office.postmen) == 2


def test_connection_with_an_open_transaction_is_reset(pool, start_office, make_account):
    office = start_office(
        lambda: Postman(OFFERS, lambda stage, nth: 550 if (stage, nth) == ("rcpt", 0) else None)
    )
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    (refused,) = pool.send(account, [mail()])
    assert refused.outcome is Outcome.FAILED_RECIPIENT
    send(pool, account, mail(1))
    assert len(office.postmen) == 1
    assert b"RSET" in office.commands


def test_many_resets_wear_a_connection_out(pool, start_office, make_account):
    office = start_office(
        lambda: Postman(OFFERS, lambda stage, nth: 550 if stage == "rcpt" else None)
    )
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    for _ in range(12):
        pool.send(account, [mail()])
    assert len(office.postmen) == 2
    assert max(postman.commands.count(b"RSET") for postman in office.postmen) <= 10


def test_threads_share_few_connections_and_mix_nothing(pool, office, make_account):
    account = make_account(office.port, key=("default", 1), max_connections=3, timeout=20.0)
    failures = []

    def work(number: int) -> None:
        for nth in range(10):
            (receipt,) = pool.send(account, [mail(number * 100 + nth)])
            if receipt.outcome is not Outcome.SENT:
                failures.append(receipt)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    senders = [accepted.sender for accepted in office.accepted]
    assert len(senders) == len(set(senders)) == 80
    assert len(office.postmen) <= 3


def test_no_more_connections_than_allowed(pool, office, make_account):
    account = make_account(office.port, key=("default", 1), max_connections=1, timeout=0.1)
    session = pool.borrow(account)
    with pytest.raises(PoolTimeoutError) as caught:
        pool.borrow(account)
    assert isinstance(caught.value, TimeoutError)
    (receipt,) = pool.send(account, [mail()])
    assert receipt.unsent
    assert isinstance(receipt.error, PoolTimeoutError)
    pool.give_back(session)
    send(pool, account)
    assert len(office.postmen) == 1


def test_waiting_thread_gets_the_connection_that_comes_free(pool, office, make_account):
    account = make_account(office.port, key=("default", 1), max_connections=1, timeout=10.0)
    session = pool.borrow(account)
    thread = threading.Thread(target=send, args=(pool, account))
    thread.start()
    wait_for(lambda: pool._waiting == 1)
    pool.give_back(session)
    thread.join(10)
    assert len(office.accepted) == 1
    assert len(office.postmen) == 1


def test_retire_closes_the_parked_now_and_the_borrowed_on_return(pool, office, account):
    parked, used = pool.borrow(account), pool.borrow(account)
    pool.give_back(parked)
    pool.retire("default")
    assert parked.sock is None
    assert used.sock is not None
    pool.give_back(used)
    assert used.sock is None
    assert repr(pool) == "<Pool 0 connections, 0 idle>"
    send(pool, account)


def test_edited_profile_gets_a_connection_of_its_own(pool, office, make_account):
    old = make_account(office.port, key=("default", 1), ehlo_name="old.example.com")
    new = make_account(office.port, key=("default", 2), ehlo_name="new.example.com")
    send(pool, old)
    send(pool, new)
    hellos = [postman.commands[0] for postman in office.postmen]
    assert hellos == [b"ehlo old.example.com", b"ehlo new.example.com"]
    assert repr(pool) == "<Pool 1 connections, 1 idle>"


def test_secret_is_opened_once_a_session(pool, start_office, make_account, server_context):
    office = start_office(lambda: Postman((*OFFERS, "AUTH PLAIN")), tls=server_context)
    opened = []
    secret = Secret(lambda: opened.append(1) or "password")
    account = make_account(
        office.port, Encryption.TLS, login=Login.PASSWORD, password=secret, key=("default", 1)
    )
    for _ in range(3):
        send(pool, account)
    assert len(opened) == 1


def test_unreachable_server_is_told_by_every_receipt(pool, office, account):
    office.close()
    receipts = pool.send(account, [mail(1), mail(2)])
    assert all(isinstance(receipt.error, RefusedConnectionError) for receipt in receipts)
    assert all(receipt.unsent for receipt in receipts)
    assert repr(pool) == "<Pool 0 connections, 0 idle>"


def test_interrupted_send_leaves_nothing_in_the_pool(pool, office, account, monkeypatch):
    send(pool, account)

    def interrupt(self, seconds=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "read_reply", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pool.send(account, [mail()])
    assert repr(pool) == "<Pool 0 connections, 0 idle>"
    send(pool, account)


def test_secret_lost_in_the_middle_does_not_hide_what_was_sent(
    pool, start_office, make_account, server_context
):
    office = start_office(
        lambda: Postman(
            (*OFFERS, "AUTH PLAIN"),
            lambda stage, nth: 421 if (stage, nth) == ("mail", 1) else None,
        ),
        tls=server_context,
    )
    answers = iter(["password"])

    def reveal() -> str:
        return next(answers, None) or {}["the key is gone"]

    account = make_account(
        office.port, Encryption.TLS, login=Login.PASSWORD, password=Secret(reveal)
    )
    sent, rest = pool.send(account, [mail(1), mail(2)])
    assert sent.outcome is Outcome.SENT
    assert rest.unsent
    with pytest.raises(KeyError):
        pool.send(account, [mail(3)])


def test_proof_of_what_a_server_can_do_is_kept_across_connections(pool, start_office, make_account):
    office = start_office(lambda: Postman((*OFFERS, "CHUNKING")))
    account = make_account(office.port, host="127.0.0.1", key=("default", 1))
    send(pool, account)
    known = server_for("127.0.0.1", office.port)
    assert known.pipelines
    assert known.chunks
