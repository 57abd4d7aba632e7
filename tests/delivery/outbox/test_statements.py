"""Statements past the ORM write what the ORM would."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from mailsetup.delivery import rows, statements
from mailsetup.delivery.outbox import courier
from mailsetup.delivery.statements import Statement, Table, run
from mailsetup.models import Attempt, Message, Priority, State

from .conftest import WORKER, mail, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def messages() -> Table:
    return Table(Message, "default")


@pytest.fixture
def attempts() -> Table:
    return Table(Attempt, "default")


def stored(number: int = 1) -> list[Message]:
    return [Message.objects.create(state=State.QUEUED, subject=str(nth)) for nth in range(number)]


def test_update_writes_every_kind_of_value_as_the_orm_does(messages):
    (row,) = stored()
    until = timezone.now() + timedelta(minutes=1)
    values = {
        "state": State.SENDING,
        "claim": uuid.uuid4(),
        "claimed_until": until,
        "leaving": True,
        "remaining": ["ann@example.org", "bob@exämple.org"],
        "content": None,
        "crashes": 3,
    }
    assert run([messages.update(values, {"id": row.pk, "state": State.QUEUED})], "default") == 1
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in values} == values


def test_update_meets_only_the_rows_that_have_the_values_and_the_keys(messages):
    first, second, third = stored(3)
    Message.objects.filter(pk=third.pk).update(state=State.SENT)
    update = messages.update(
        {"reason": "met"}, {"state": State.QUEUED}, [first.pk, third.pk, 999_999]
    )
    assert run([update], "default") == 1
    assert list(Message.objects.filter(reason="met")) == [first]
    assert second.reason == ""


def test_statements_are_written_together(messages, attempts):
    first, second = stored(2)
    met = run(
        [
            *attempts.inserts([{**attempt_of(first), "accepted": ["ann@example.org"]}]),
            messages.update({"state": State.SENT}, {"id": first.pk}),
            messages.update({"leaving": True}, {"id": second.pk, "claim": uuid.uuid4()}),
        ],
        "default",
    )
    assert met == 0
    assert Attempt.objects.get().accepted == ["ann@example.org"]
    assert list(Message.objects.order_by("pk").values_list("state", flat=True)) == [
        State.SENT,
        State.QUEUED,
    ]


def test_inserts_are_as_few_as_the_database_takes(attempts):
    rows = [attempt_of(row) | {"number": nth} for nth, row in enumerate(stored(100))]
    made = attempts.inserts(rows)
    assert len(made) == 2
    assert max(len(one.values) for one in made) <= statements.MOST_VALUES
    run(made, "default")
    numbers = Attempt.objects.order_by("message_id").values_list("number", flat=True)
    assert list(numbers) == list(range(100))
    assert attempts.inserts([]) == []


def test_no_keys_do_not_mean_all_rows(messages):
    with pytest.raises(AssertionError):
        messages.update({"reason": "met"}, {}, [])


def test_delete_meets_only_the_rows_among_those_named(messages):
    first, second, third = stored(3)
    Message.objects.filter(pk=second.pk).update(state=State.SENT)
    delete = messages.delete({"state": State.QUEUED}, "id", [first.pk, second.pk])
    assert run([delete], "default") == 1
    assert list(Message.objects.order_by("pk")) == [second, third]
    assert run([messages.delete({}, "id", [third.pk])], "default") == 1


def test_all_or_none_of_the_statements_are_written(messages, attempts):
    first, second = stored(2)
    Message.objects.filter(pk=second.pk).update(idempotency_key="taken")
    with pytest.raises(IntegrityError):
        run(
            [
                *attempts.inserts([attempt_of(first)]),
                messages.update({"idempotency_key": "taken"}, {"id": first.pk}),
            ],
            "default",
        )
    assert not Attempt.objects.exists()


def test_postgresql_gets_them_as_one(messages):
    parts = [
        Statement("UPDATE a SET b = %s", [1]),
        Statement("DELETE FROM c", []),
        Statement("UPDATE a SET b = %s", [2]),
    ]
    assert statements._joined(parts) == (
        "WITH part0 AS (UPDATE a SET b = %s), part1 AS (DELETE FROM c) UPDATE a SET b = %s",
        [1, 2],
    )
    assert statements._joined(parts[:1]) is parts[0]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite's writers take turns")
def test_threads_write_to_sqlite_in_turn_but_a_transaction_does_not_wait(messages):
    (row,) = stored()
    update = messages.update({"reason": "written"}, {"id": row.pk})
    with statements.turn._lock:
        thread = threading.Thread(target=lambda: (run([update], "default"), connection.close()))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        # It holds SQLite's own lock already: to wait here could last forever.
        with transaction.atomic():
            assert run([update], "default") == 1
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite's writers take turns")
def test_turn_is_waited_for_no_longer_than_sqlites_lock(messages, monkeypatch):
    (row,) = stored()
    update = messages.update({"reason": "written"}, {"id": row.pk})
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    thread = threading.Thread(target=lambda: (run([update], "default"), connection.close()))
    with statements.turn._lock:
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert Message.objects.get().reason == "written"


def test_inserted_rows_get_their_keys_and_the_defaults_of_their_fields():
    made = rows.insert(Message, [{"subject": "a"}, {"subject": "b"}], connection)
    found = Message.objects.in_bulk(made)
    assert [found[key].subject for key in made] == ["a", "b"]
    assert found[made[0]].priority == Priority.NORMAL
    assert found[made[0]].recipients == []
    assert abs(found[made[0]].created_at - timezone.now()) < timedelta(minutes=1)
    assert rows.insert(Message, [], connection) == []


def test_databases_that_return_no_keys_are_written_to_by_the_orm(profile, monkeypatch):
    monkeypatch.setattr(rows, "can_insert", lambda connection: False)
    monkeypatch.setattr(rows, "insert", None)
    assert [row.subject for row in put(mail(subject="a"), mail(subject="b"))] == ["a", "b"]


def test_row_of_a_new_message_is_as_the_orm_leaves_one(profile):
    from mailsetup.signals import message_queued

    heard = []
    message_queued.connect(receiver := lambda entry, **kwargs: heard.append(entry))
    try:
        (row,) = put(mail())
    finally:
        message_queued.disconnect(receiver)
    (entry,) = heard
    assert entry == row
    entry.reason = "noted"
    entry.save()
    assert Message.objects.get().reason == "noted"


def test_nothing_is_kept_of_a_sent_mail_that_the_log_leaves_out(profile, server):
    (row,) = put(mail())
    Message.objects.update(log="off", attempts_made=1)
    Attempt.objects.create(**attempt_of(row))
    courier.work_once(10, worker=WORKER)
    assert len(server.mails) == 1
    assert not Message.objects.exists()
    assert not Attempt.objects.exists()


def attempt_of(row: Message) -> dict[str, object]:
    return {
        "message_id": row.pk,
        "number": 1,
        "started_at": timezone.now(),
        "seconds": 0.5,
        "profile": "shop",
        "server": "localhost:25",
        "stage": "accepted",
        "outcome": "sent",
        "code": 250,
        "enhanced_code": "2.0.0",
        "reply": "Ok",
        "error": "",
        "cause": "",
        "accepted": [],
        "refused": [],
    }
