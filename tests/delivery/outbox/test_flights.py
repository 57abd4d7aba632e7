"""Several mails in flight at once: each is settled by itself, and all of them together."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailsetup import effective
from mailsetup.delivery.outbox import claims, courier, sweep
from mailsetup.models import Attempt, Message, SMTPProfile, State
from mailsetup.signals import message_sent
from mailsetup.smtp import servers
from tests.smtp.postman import Office, Postman

from .conftest import WORKER, mail, put, store_boxed
from .postbox import Postbox

IN_FLIGHT = 5


@pytest.fixture
def box() -> Iterator[Postbox]:
    made = Postbox(("PIPELINING", "CHUNKING"))
    known = servers.server_for("127.0.0.1", made.port)
    known.pipelines = known.chunks = True
    yield made
    made.close()


@pytest.fixture
def profile(transactional_db, box, told) -> SMTPProfile:
    return store_boxed(box, in_flight=IN_FLIGHT)


def states() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


def test_each_of_a_flight_is_settled_with_an_attempt_of_its_own(profile, box, work):
    rows = put(*(mail(subject=str(nth), to=[f"bob{nth}@example.com"]) for nth in range(12)))
    assert work() == 12
    assert states() == [State.SENT] * 12
    assert box.accepted == [row.message_id for row in rows]
    attempts = Attempt.objects.order_by("message_id")
    assert [one.message_id for one in attempts] == [row.pk for row in rows]
    assert [one.accepted for one in attempts] == [[f"bob{nth}@example.com"] for nth in range(12)]
    assert {(one.number, one.outcome, one.code) for one in attempts} == {(1, "sent", 250)}
    for row in Message.objects.all():
        assert (row.attempts_made, row.leaving, row.claimed_until) == (1, False, None)
        assert (row.settled_at is None, row.content) == (False, None)


def test_flight_takes_one_transaction(profile, box, work):
    put(mail())
    work()
    put(*(mail() for _ in range(3 * IN_FLIGHT)))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        courier.work_once(50, worker=WORKER)
    assert len(box.accepted) == 1 + 3 * IN_FLIGHT
    mark = f"{connection.ops.quote_name('leaving')} = "
    marks = [one for one in queries if mark in one["sql"] and "UPDATE" in one["sql"]]
    inserts = [one for one in queries if one["sql"].startswith("INSERT")]
    assert len(inserts) == 3
    # The claim; each flight with what became of the one before; and what became of the last.
    assert len(marks) == 1 + (1 + 2 + 2) + 1


def test_message_is_settled_before_its_attempt_is_inserted(profile, box, work):
    """MySQL locks a row that a foreign key points to; to lock it once more can be a deadlock."""
    (row,) = put(mail())
    with CaptureQueriesContext(connection) as queries:
        courier.work_once(1, worker=WORKER)
    row.refresh_from_db()
    assert row.state == State.SENT
    written = "".join(one["sql"] for one in queries)
    attempt = f"INSERT INTO {connection.ops.quote_name(Attempt._meta.db_table)}"
    assert 0 < written.index("attempts_made") < written.index(attempt)


def test_refusal_amid_a_flight_is_one_mails_own(transactional_db, told, work):
    def decide(stage: str, nth: int) -> int | None:
        return {("rcpt", 2): 550, ("content", 2): 452, ("mail", 5): 553}.get((stage, nth))

    offers = ("PIPELINING", "CHUNKING", "AUTH PLAIN")
    office = Office(lambda: Postman(offers, decide))
    store_boxed(office, in_flight=IN_FLIGHT)
    rows = put(*(mail(subject=str(nth)) for nth in range(8)))
    courier.work_once(10, worker=WORKER)
    office.close()
    # The third content that comes to its end is that of the fourth mail.
    others = {2: State.FAILED, 3: State.QUEUED, 5: State.FAILED}
    assert states() == [others.get(nth, State.SENT) for nth in range(8)]
    outcomes = [row.attempts.get().outcome for row in rows]
    assert [outcomes[nth] for nth in others] == ["failed_recipient", "retry", "fix_profile"]
    reasons = list(Message.objects.order_by("pk").values_list("reason", flat=True))
    assert ["550" in reasons[2], "452" in reasons[3], "553" in reasons[5]] == [True] * 3
    assert {reason for nth, reason in enumerate(reasons) if nth not in others} == {""}
    contents = [one.content.partition(b"Subject: ")[2][:1] for one in office.accepted]
    assert contents == [b"0", b"1", b"4", b"6", b"7"]


def test_connection_cut_amid_a_flight_leaves_what_was_not_answered_in_doubt(profile, box, work):
    rows = put(*(mail(subject=str(nth)) for nth in range(8)))

    def cut(_message_id: str) -> None:
        if len(box.accepted) == 3:
            raise ConnectionResetError

    box.on_dot = cut
    assert work() == 8
    doubtful = [State.AMBIGUOUS] * (IN_FLIGHT - 2)
    assert states() == [State.SENT] * 2 + doubtful + [State.SENT] * 3
    accepted = [row.message_id for nth, row in enumerate(rows) if nth < 3 or nth >= IN_FLIGHT]
    assert box.accepted == accepted


def test_mail_that_another_worker_has_by_now_stays_here(profile, box, monkeypatch):
    rows = put(*(mail(subject=str(nth)) for nth in range(4)))
    renew = claims.renew

    def lose(claim, **options):
        Message.objects.filter(pk=rows[1].pk).update(claim=None, state=State.QUEUED)
        renew(claim, **options)

    monkeypatch.setattr(claims, "renew", lose)
    courier.work_once(10, worker=WORKER)
    assert box.accepted == [row.message_id for row in rows if row is not rows[1]]
    assert states() == [State.SENT, State.QUEUED, State.SENT, State.SENT]


def test_mails_that_are_not_logged_leave_nothing(profile, box, work):
    SMTPProfile.objects.update(log="off")
    put(*(mail() for _ in range(8)))
    assert work() == 8
    assert len(box.accepted) == 8
    assert not Message.objects.exists()
    assert not Attempt.objects.exists()


def test_what_421_left_unsent_waits_and_is_not_in_doubt(transactional_db, told):
    def decide(stage: str, nth: int) -> int | None:
        if (stage, nth) != ("mail", 2):
            return None
        # Nor is there another connection to be had.
        office._listener.shutdown(socket.SHUT_RDWR)
        office._listener.close()
        return 421

    office = Office(lambda: Postman(("PIPELINING", "CHUNKING", "AUTH PLAIN"), decide))
    known = servers.server_for("127.0.0.1", office.port)
    known.pipelines = known.chunks = True
    store_boxed(office, in_flight=IN_FLIGHT)
    put(*(mail() for _ in range(8)))
    courier.work_once(10, worker=WORKER)
    office.close()
    assert states() == [State.SENT] * 2 + [State.QUEUED] * 6
    assert not Message.objects.filter(leaving=True).exists()
    assert sweep.sweep().ambiguous == 0


def test_apps_are_not_told_between_the_mark_and_the_content(profile, box, work):
    """A receiver may take as long as it likes, and must not use up the time of a claim."""
    seen = []

    def hear(**_kwargs: object) -> None:
        marked = Message.objects.filter(leaving=True).values_list("message_id", flat=True)
        seen.append(set(marked) <= set(box.accepted))

    put(*(mail() for _ in range(12)))
    message_sent.connect(hear)
    try:
        assert work() == 12
    finally:
        message_sent.disconnect(hear)
    assert seen == [True] * 12


def test_logged_and_unlogged_mails_share_a_flight(profile, box, work):
    put(mail(subject="logged"))
    SMTPProfile.objects.update(log="off")
    effective.forget()
    put(mail(), mail())
    SMTPProfile.objects.update(log="envelope")
    effective.forget()
    put(mail(subject="logged"))
    assert work() == 4
    assert len(box.accepted) == 4
    assert list(Message.objects.values_list("subject", "state")) == [("logged", "sent")] * 2
    assert Attempt.objects.count() == 2


def test_claim_holds_for_as_long_as_a_flight_may_take(profile, box, work):
    seen = []

    def look(_message_id: str) -> None:
        rows = Message.objects.filter(leaving=True)
        seen.append([(row.claimed_until - timezone.now()).total_seconds() for row in rows])
        connections.close_all()

    SMTPProfile.objects.update(timeout=60)
    effective.forget()
    put(*(mail() for _ in range(IN_FLIGHT)))
    box.on_dot = look
    work()
    account = effective.resolve().account
    assert len(seen[0]) == IN_FLIGHT
    assert min(seen[0]) > account.time_to_send(0, IN_FLIGHT)
    assert account.time_to_send(0, IN_FLIGHT) == account.time_to_send(0) + 4 * account.timeout


def test_claim_is_not_renewed_for_each_flight(profile, box):
    """It holds for longer than a flight from the beginning: each renewal writes all its rows."""
    SMTPProfile.objects.update(timeout=60, in_flight=20)
    effective.forget()
    put(*(mail() for _ in range(48)))
    with CaptureQueriesContext(connection) as queries:
        assert courier.work_once(50, worker=WORKER) == 48
    renewals = [one for one in queries if 'SET "claimed_until" = ' in one["sql"]]
    assert renewals == []
