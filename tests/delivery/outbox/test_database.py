"""A database that fails before, while and after a mail is sent."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from mailsetup.delivery.outbox import claims, courier, journal, sweep
from mailsetup.exceptions import OutboxUnavailableError
from mailsetup.models import Attempt, Message, ProfileState, State

from .conftest import WORKER, mail, put


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(journal, "_SAVE_SECONDS", 0.0)


def let_pass() -> None:
    """Let the time pass for which claims hold, and messages wait."""
    past = timezone.now() - timedelta(seconds=1)
    Message.objects.filter(state=State.SENDING).update(claimed_until=past)
    Message.objects.filter(state=State.QUEUED).update(due_at=past)


def states() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


class Outage:
    """A database that takes nothing while it is on."""

    def __init__(self, monkeypatch) -> None:
        self.on = False
        commit = BaseDatabaseWrapper._commit

        def failing(wrapper):
            if self.on:
                fail()
            commit(wrapper)

        monkeypatch.setattr(BaseDatabaseWrapper, "_commit", failing)
        execute = CursorWrapper.execute

        def failing_too(cursor, sql, params=None):
            # Outside of a transaction a statement is its own.
            if self.on and not connection.in_atomic_block:
                fail()
            return execute(cursor, sql, params)

        monkeypatch.setattr(CursorWrapper, "execute", failing_too)

    def begin(self, _message_id: str = "") -> None:
        self.on = True


def fail() -> None:
    raise OperationalError("The database went away.")


@pytest.fixture
def outage(monkeypatch) -> Outage:
    return Outage(monkeypatch)


def test_commit_that_fails_after_the_answer_leaves_it_in_doubt_for_good(boxed, box, outage, work):
    put(mail())
    box.on_dot = outage.begin
    with pytest.raises(DatabaseError):
        courier.work_once(10, worker=WORKER)
    outage.on = False
    row = Message.objects.get()
    assert (row.state, row.leaving) == (State.SENDING, True)
    assert work() == 0
    let_pass()
    assert sweep.sweep().ambiguous == 1
    let_pass()
    assert work() == 0
    assert states() == [State.AMBIGUOUS]
    assert len(box.accepted) == 1
    assert Attempt.objects.get().outcome == "ambiguous"


def test_commit_that_fails_amid_a_batch_leaves_one_in_doubt(boxed, box, outage, work):
    put(*(mail(subject=str(nth)) for nth in range(6)))
    box.on_dot = lambda _: outage.begin() if len(box.accepted) == 3 else None
    with pytest.raises(DatabaseError):
        courier.work_once(10, worker=WORKER)
    outage.on = False
    let_pass()
    sweep.sweep()
    while work():
        let_pass()
    assert states() == [State.SENT] * 2 + [State.AMBIGUOUS] + [State.SENT] * 3
    assert len(box.accepted) == len(set(box.accepted)) == 6


def test_short_outage_after_the_answer_is_waited_out(boxed, box, outage, monkeypatch):
    monkeypatch.setattr(journal, "_SAVE_SECONDS", 20.0)
    put(mail())
    box.on_dot = outage.begin

    def come_back(_seconds: float) -> None:
        outage.on = False

    monkeypatch.setattr(journal.time, "sleep", come_back)
    assert courier.work_once(10, worker=WORKER) == 1
    assert states() == [State.SENT]


def test_outage_before_the_content_sends_nothing(boxed, box, outage, work):
    put(mail(), mail())
    leaving = journal.Journal.leaving
    first = []

    def leave(self, envelope):
        if not first:
            first.append(outage.begin())
        return leaving(self, envelope)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.Journal, "leaving", leave)
        with pytest.raises(DatabaseError):
            courier.work_once(10, worker=WORKER)
    outage.on = False
    assert box.accepted == []
    while work():
        pass
    assert states() == [State.SENT] * 2
    assert len(set(box.accepted)) == 2


def test_note_about_the_profile_that_fails_holds_up_no_mail(boxed, box, monkeypatch):
    """The content of the second is written down as on its way: it goes."""
    put(mail(), mail())

    def fail(self):
        raise OperationalError("database is locked")

    monkeypatch.setattr(courier.Standing, "works", fail)
    assert courier.work_once(10, worker=WORKER) == 2
    assert states() == [State.SENT] * 2


def test_claims_lost_to_an_outage_are_given_back_when_it_is_over(boxed, box, outage, work):
    """Nobody waits for their time to be over, and no mail is taken for one that ends workers."""
    put(mail(), mail())
    for _ in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal.Journal, "leaving", lambda *_: outage.begin() or fail())
            with pytest.raises(OperationalError):
                courier.work_once(10, worker=WORKER)
        # Still away: they are remembered.
        with pytest.raises(OperationalError):
            courier.work_once(10, worker=WORKER)
        outage.on = False
    assert work() == 2
    assert states() == [State.SENT] * 2
    assert len(set(box.accepted)) == 2


@pytest.mark.parametrize("place", ["_mark", "Due.claimed"])
def test_claim_whose_answer_is_lost_is_given_back_when_the_outage_is_over(
    boxed, box, outage, work, place
):
    put(mail(), mail())
    owner, name = (claims.Due, "claimed") if place == "Due.claimed" else (claims, place)
    ours = getattr(owner, name)

    def lose_the_answer(*arguments):
        ours(*arguments)
        outage.begin()
        fail()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, lose_the_answer)
        # Committed: where no row is locked no transaction is open around it.
        patch.setattr(connection.features, "has_select_for_update_skip_locked", False)
        with pytest.raises(OperationalError):
            courier.work_once(10, worker=WORKER)
    outage.on = False
    assert states() == [State.SENDING] * 2
    assert work() == 2
    assert states() == [State.SENT] * 2


def test_content_that_may_have_left_is_not_given_back_after_an_outage(boxed, box, outage, work):
    put(mail(), mail())
    box.on_dot = outage.begin
    with pytest.raises(DatabaseError):
        courier.work_once(10, worker=WORKER)
    outage.on = False
    box.on_dot = lambda _: None
    assert work() == 1
    assert sorted(states()) == [State.SENDING, State.SENT]
    assert len(set(box.accepted)) == len(box.accepted) == 2


# -- SQLite: locked, and full

sqlite_only = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="needs Django's SQLite backend"
)


@contextmanager
def locked():
    """Hold SQLite's write lock from elsewhere; who waits for it waits briefly."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full_disk():
    """Let the database file grow no more: SQLite says that the disk is full."""
    with connection.cursor() as cursor:
        # Pages left free by other tests would be used first.
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")


def large(subject: str = "Hi"):
    """A mail that needs new pages, and stands in its row."""
    return mail(subject=subject, body="x" * 30_000)


@sqlite_only
@pytest.mark.parametrize("trouble", [locked, full_disk])
def test_outbox_that_takes_nothing_is_told_to_the_caller(boxed, box, work, trouble):
    with trouble():
        with pytest.raises(OutboxUnavailableError, match=r"locked|full"):
            put(large())
    assert not Message.objects.exists()
    put(large())
    assert work() == 1
    assert len(box.accepted) == 1


@sqlite_only
@pytest.mark.parametrize(("mode", "told"), [("IMMEDIATE", False), (None, True)])
def test_lock_that_an_option_would_have_waited_for_names_it(boxed, monkeypatch, mode, told):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", mode)
    with locked(), pytest.raises(OutboxUnavailableError) as caught:
        put(large())
    assert ('Set "transaction_mode": "IMMEDIATE"' in str(caught.value)) is told


@sqlite_only
def test_outbox_that_takes_nothing_leaves_the_callers_transaction_usable(boxed):
    with full_disk(), transaction.atomic():
        ProfileState.objects.create(slug="before")
        with pytest.raises(OutboxUnavailableError):
            put(large())
        ProfileState.objects.create(slug="after")
    assert ProfileState.objects.count() == 2
    assert not Message.objects.exists()


@sqlite_only
@pytest.mark.parametrize("trouble", [locked, full_disk])
def test_worker_that_can_write_nothing_sends_nothing(boxed, box, work, trouble):
    put(large(), large())
    with trouble(), suppress(DatabaseError):
        courier.work_once(10, worker=WORKER)
    accepted = len(box.accepted)
    let_pass()
    sweep.sweep()
    let_pass()
    while work():
        pass
    # What went out in spite of it was written down as on its way: it is not sent again.
    in_doubt = Message.objects.filter(state=State.AMBIGUOUS).count()
    assert len(box.accepted) == len(set(box.accepted))
    assert Message.objects.filter(state=State.SENT).count() + in_doubt == 2
    assert in_doubt <= min(1, accepted)
