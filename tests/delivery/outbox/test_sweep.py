"""The sweep: what a worker left behind waits again, is shown, or is set aside."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailsetup.delivery.outbox import claims, courier, sweep, workers
from mailsetup.effective.threads import in_thread
from mailsetup.models import Attempt, Lease, Message, SMTPProfile, State
from mailsetup.signals import message_failed

from .conftest import WORKER, mail, put

NAMES_ITSELF = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["mailsetup"])
django.setup()
from mailsetup.delivery.outbox import workers
print(workers.identity())
"""


def claim_all(worker: str = WORKER) -> claims.Claim:
    claim = claims.claim_due("", 100, worker=worker)
    assert claim is not None
    return claim


def let_pass(**changes: object) -> None:
    Message.objects.update(claimed_until=timezone.now() - timedelta(seconds=1), **changes)


def test_claim_whose_time_is_over_is_freed(profile, server, work):
    put(mail(), mail())
    claim_all()
    assert sweep.sweep().freed == 0
    let_pass()
    swept = sweep.sweep()
    assert (swept.freed, swept.due) == (2, 2)
    assert work() == 2
    assert Message.objects.filter(state=State.SENT).count() == 2
    assert not Message.objects.filter(suspect=True).exists()


def test_claim_of_a_process_that_has_ended_is_freed_at_once(profile):
    put(mail())
    done = subprocess.run(
        [sys.executable, "-c", NAMES_ITSELF], capture_output=True, text=True, check=True
    )
    ended = done.stdout.strip()
    claim_all(ended)
    assert workers.has_ended(ended)
    assert sweep.sweep().freed == 1


def test_claim_of_a_process_that_runs_or_is_elsewhere_stands():
    assert not workers.has_ended(workers.identity())
    place, pid, start = workers.identity().rsplit("/", 2)
    assert pid == str(os.getpid())
    assert workers.has_ended(f"{place}/{pid}/{int(start) + 1}")
    assert not workers.has_ended(f"elsewhere/{pid}/{start}")
    assert not workers.has_ended("nonsense")


def test_content_that_may_have_left_is_shown_and_not_sent_again(profile, server, work):
    (row,) = put(mail())
    claim_all()
    let_pass(leaving=True)
    heard = []
    message_failed.connect(lambda **told: heard.append(told), weak=False, dispatch_uid="test")
    try:
        assert sweep.sweep().ambiguous == 1
    finally:
        message_failed.disconnect(dispatch_uid="test")
    row.refresh_from_db()
    assert (row.state, row.needs_attention, row.attempts_made) == (State.AMBIGUOUS, True, 1)
    assert Attempt.objects.get().outcome == "ambiguous"
    assert [(told["entry"].pk, told["state"]) for told in heard] == [(row.pk, State.AMBIGUOUS)]
    assert work() == 0
    assert not server.mails


def test_content_that_may_have_left_is_sent_again_where_the_profile_says_so(profile, server, work):
    SMTPProfile.objects.update(on_ambiguous="resend")
    (row,) = put(mail())
    claim_all()
    let_pass(leaving=True)
    assert sweep.sweep().ambiguous == 1
    row.refresh_from_db()
    assert row.state == State.QUEUED
    assert row.due_at > timezone.now()
    Message.objects.update(due_at=timezone.now())
    assert work() == 1
    outcomes = Attempt.objects.order_by("number").values_list("number", "outcome")
    assert list(outcomes) == [(1, "ambiguous"), (2, "sent")]


def test_content_that_ends_its_worker_each_time_is_not_sent_for_ever(profile, server):
    SMTPProfile.objects.update(on_ambiguous="resend")
    put(mail())
    states = []
    for _ in range(3):
        Message.objects.update(due_at=timezone.now())
        claim_all()
        let_pass(leaving=True)
        assert sweep.sweep().ambiguous == 1
        states.append(Message.objects.get().state)
    assert states == [State.QUEUED, State.QUEUED, State.AMBIGUOUS]
    assert Message.objects.get().needs_attention


def test_sweep_that_ends_midway_leaves_no_doubt_without_its_attempt(profile, monkeypatch):
    put(mail())
    claim_all()
    let_pass(leaving=True)

    def end(**values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Attempt.objects, "create", end)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep()
    monkeypatch.undo()
    assert Message.objects.get().state == State.SENDING
    assert sweep.sweep().ambiguous == 1
    assert Attempt.objects.get().outcome == "ambiguous"


def test_claim_of_a_process_elsewhere_stands_though_the_host_has_the_same_name(profile):
    """Virtual machines made from one image: the same name, the same namespace, other processes."""
    put(mail())
    host, kernel, rest = workers.identity().split("/", 2)
    namespace, _pid, start = rest.split("/")
    elsewhere = f"{host}/{kernel[::-1]}/{namespace}/4194304/{start}"
    assert workers.has_ended(f"{host}/{kernel}/{namespace}/4194304/{start}")
    assert not workers.has_ended(elsewhere)
    claim_all(elsewhere)
    assert sweep.sweep().freed == 0


def test_answer_that_comes_after_the_sweep_is_written_down(profile, server, monkeypatch):
    """The worker was only asleep: its message was taken for lost while the answer came."""
    put(mail())
    real = server.handle_DATA

    async def slow(*args):
        # In a thread of their own, whose database connections end with it.
        in_thread(let_pass)
        in_thread(sweep.sweep)
        return await real(*args)

    monkeypatch.setattr(server, "handle_DATA", slow)
    courier.work_once(10, worker=WORKER)
    row = Message.objects.get()
    assert (row.state, row.needs_attention) == (State.SENT, False)
    outcomes = Attempt.objects.order_by("id").values_list("outcome", flat=True)
    assert list(outcomes) == ["ambiguous", "sent"]


def test_message_that_ends_its_worker_is_set_aside_after_three_times(profile, server, work):
    bad = put(mail(subject="bad"), *(mail() for _ in range(5)))[0]
    for _ in range(4):
        claim = claims.claim_due("", 100, worker=WORKER)
        if bad.pk not in [row.pk for row in claim.rows]:
            claims.give_back(claim, claim.rows)
            claim = claims.claim_these([bad.pk], "", 1, worker=WORKER)
        let_pass()
        sweep.sweep()
        # What ended a worker alone waits before it is tried again.
        Message.objects.filter(pk=bad.pk).update(due_at=timezone.now())
    bad.refresh_from_db()
    assert (bad.state, bad.needs_attention) == (State.SET_ASIDE, True)
    assert "ended 3 times" in bad.reason
    assert work() == 5


def test_message_that_expired_while_it_waited_is_settled(profile):
    (row,) = put(mail(headers={"X-Mailsetup-Expires-At": timezone.now()}))
    assert sweep.sweep().expired == 1
    row.refresh_from_db()
    assert (row.state, row.has_content) == (State.EXPIRED, False)


def test_sweep_writes_to_no_message_that_waits_on(profile):
    """On MySQL it would lock one after the other of them, and meet those who claim them."""
    put(mail(), mail(headers={"X-Mailsetup-Expires-At": timezone.now() + timedelta(hours=1)}))
    with CaptureQueriesContext(connection) as queries:
        assert sweep.sweep().due == 2
    update = f"UPDATE {connection.ops.quote_name(Message._meta.db_table)}"
    assert not [one["sql"] for one in queries if update in one["sql"]]


def test_messages_expire_part_by_part(profile, monkeypatch):
    monkeypatch.setattr(sweep, "MOST_KEYS", 2)
    put(*(mail(headers={"X-Mailsetup-Expires-At": timezone.now()}) for _ in range(5)), mail())
    assert sweep.sweep().expired == 5
    states = [*Message.objects.order_by("pk").values_list("state", flat=True)]
    assert states == [State.EXPIRED] * 5 + [State.QUEUED]


@pytest.mark.django_db
def test_lease_is_for_one_at_a_time_and_can_be_taken_over():
    assert Lease.take("sweep", "ann", 60)
    assert Lease.take("sweep", "ann", 60)
    assert not Lease.take("sweep", "bob", 60)
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert Lease.take("sweep", "bob", 60)
    Lease.release("sweep", "ann")
    assert not Lease.take("sweep", "ann", 60)
    Lease.release("sweep", "bob")
    assert Lease.take("sweep", "ann", 60)


def test_content_of_an_expired_message_goes_with_its_file(profile, settings, tmp_path):
    settings.MAILSETUP = {**getattr(settings, "MAILSETUP", {}), "CONTENT_DIR": tmp_path}
    large = [("big.bin", b"\x00\x01" * 60_000, "application/octet-stream")]
    put(
        mail(headers={"X-Mailsetup-Expires-At": timezone.now()}),
        mail(headers={"X-Mailsetup-Expires-At": timezone.now()}, attachments=large),
    )
    assert sweep.sweep().expired == 2
    assert not any(row.has_content for row in Message.objects.all())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
