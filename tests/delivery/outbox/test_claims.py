"""Claims: no two workers have the same message, and a lost claim sends nothing."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from mailsetup.delivery.outbox import claims, courier, journal
from mailsetup.delivery.outbox.due import Due
from mailsetup.models import Attempt, Message, State

from .conftest import WORKER, mail, put


def test_workers_at_the_same_time_share_the_messages_out(profile):
    put(*(mail(subject=str(nth)) for nth in range(60)))
    start = threading.Barrier(4)
    taken: list[list[int]] = []

    def take() -> None:
        start.wait()
        mine: list[int] = []
        while claim := claims.claim_due("", 7, worker=WORKER):
            mine += [row.pk for row in claim.rows]
        taken.append(mine)
        connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    keys = [key for mine in taken for key in mine]
    assert len(keys) == 60
    assert len(set(keys)) == 60


def test_claim_of_keys_takes_what_is_due_and_free(profile):
    rows = put(*(mail() for _ in range(3)))
    Message.objects.filter(pk=rows[0].pk).update(due_at=timezone.now() + timedelta(hours=1))
    first = claims.claim_these([rows[1].pk], "", 1, worker=WORKER)
    again = claims.claim_these([row.pk for row in rows], "", 3, worker=WORKER)
    assert first is not None
    assert again is not None
    assert [row.pk for row in again.rows] == [rows[2].pk]
    assert claims.claim_these([row.pk for row in rows], "", 3, worker=WORKER) is None


def test_what_is_given_back_waits_again(profile):
    put(mail(), mail())
    claim = claims.claim_due("", 2, worker=WORKER)
    claims.give_back(claim, claim.rows[:1])
    states = Message.objects.order_by("pk").values_list("state", "claim")
    assert list(states) == [(State.QUEUED, None), (State.SENDING, claim.mark)]


def test_claim_is_renewed_only_when_it_is_time(profile, django_assert_num_queries):
    put(mail())
    claim = claims.claim_due("", 1, worker=WORKER)
    with django_assert_num_queries(0):
        claims.renew(claim)
    claim.renew_at = timezone.now()
    Message.objects.update(claimed_until=timezone.now())
    claims.renew(claim)
    assert Message.objects.get().claimed_until > timezone.now() + timedelta(seconds=30)


def test_message_at_which_a_worker_ended_is_claimed_alone(profile):
    rows = put(*(mail() for _ in range(4)))
    Message.objects.filter(pk=rows[1].pk).update(suspect=True)
    sizes = []
    while claim := claims.claim_due("", 10, worker=WORKER):
        sizes.append(len(claim.rows))
    assert sizes == [1, 1, 2]


def test_lost_claim_sends_nothing_of_that_message(profile, server, monkeypatch):
    """Another process took the message back while this one was about to send it."""
    lost, kept = put(mail(subject="lost"), mail(subject="kept"))
    real = journal.Journal.leaving

    def late(self: journal.Journal, envelope: object) -> bool:
        Message.objects.filter(pk=lost.pk).update(state=State.QUEUED, claim=None)
        return real(self, envelope)

    monkeypatch.setattr(journal.Journal, "leaving", late)
    courier.work_once(10, worker=WORKER)
    assert [one.parsed["Subject"] for one in server.mails] == ["kept"]
    lost.refresh_from_db()
    assert lost.state == State.QUEUED
    assert set(Attempt.objects.values_list("message", flat=True)) == {kept.pk}


def test_profiles_that_something_waits_for_are_found_by_the_index(profile):
    put(mail())
    put(mail(), profile="shop")
    due = Due("default")
    assert due.requests() == ["", "shop"]
    assert due.most_urgent() == ["", "shop"]


def test_the_profile_of_the_most_urgent_message_comes_first(profile):
    put(mail())
    put(mail(headers={"X-Mailsetup-Priority": "high"}), profile="shop")
    assert Due("default").most_urgent() == ["shop", ""]
    Message.objects.filter(requested="").update(due_at=timezone.now() + timedelta(seconds=9))
    assert Due("default").most_urgent() == ["shop"]


def test_only_those_asked_for_are_claimed_among_those_due(profile):
    rows = put(*(mail() for _ in range(3)))
    claim = claims.claim_these([rows[2].pk, rows[0].pk, 999_999], "", 10, worker=WORKER)
    assert [row.pk for row in claim.rows] == [rows[0].pk, rows[2].pk]
    assert claims.claim_these([rows[0].pk], "", 10, worker=WORKER) is None
    assert claims.claim_these([], "", 10, worker=WORKER) is None


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plan")
def test_looking_for_what_is_due_reads_one_index_and_sorts_nothing(profile):
    put(mail())
    put(mail(), profile="shop")
    asked = []

    def note(execute, sql, params, many, context):
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        due = Due("default")
        due.most_urgent()
        due.keys("", 5, among=None, locks=False)
    assert len(asked) == 6
    for sql, params in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            plan = " ".join(row[-1] for row in cursor.fetchall())
        assert "mailsetup_message_due" in plan
        assert "TEMP B-TREE" not in plan


def test_claim_takes_no_more_than_fits_into_memory(profile):
    rows = put(mail(), mail(), mail(), mail())
    Message.objects.filter(pk__in=[rows[0].pk, rows[2].pk]).update(size=5_000_000)
    assert len(claims.claim_due("", 10, worker=WORKER).rows) == 2
    assert len(claims.claim_due("", 10, worker=WORKER).rows) == 2
    put(mail(), mail())
    Message.objects.update(size=50_000_000)
    # One that is larger than that goes by itself.
    assert len(claims.claim_due("", 10, worker=WORKER).rows) == 1


def test_claim_is_renewed_for_what_takes_longer_than_it_holds(profile):
    (row,) = put(mail())
    claim = claims.claim_due("", 1, worker=WORKER, seconds=300)
    assert claim.until > timezone.now() + timedelta(seconds=290)
    claims.renew(claim, seconds=1000)
    row.refresh_from_db()
    assert row.claimed_until > timezone.now() + timedelta(seconds=990)
