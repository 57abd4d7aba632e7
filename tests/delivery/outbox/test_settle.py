"""What becomes of a message after an attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mailsetup.delivery.outbox import retry
from mailsetup.models import Attempt, Message, SMTPProfile, State
from mailsetup.signals import message_failed, message_sent, recipient_refused

from .conftest import mail, put


@pytest.fixture
def heard():
    """The signals that were sent, by name, each with its arguments."""
    told: list[tuple[str, dict]] = []
    named = {"sent": message_sent, "failed": message_failed, "refused": recipient_refused}
    for name, signal in named.items():
        signal.connect(
            lambda _name=name, **arguments: told.append((_name, arguments)),
            weak=False,
            dispatch_uid="test",
        )
    yield told
    for signal in named.values():
        signal.disconnect(dispatch_uid="test")


def only() -> Message:
    return Message.objects.get()


def due_now() -> None:
    Message.objects.filter(state=State.QUEUED).update(due_at=timezone.now())


def test_recipient_refused_for_good_is_told_and_the_others_get_it(profile, server, work, heard):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    put(mail(to=["bob@example.com", "gone@example.com"]))
    work()
    row = only()
    assert (row.state, row.remaining, row.delivered) == (State.SENT, [], True)
    assert "No such user" in row.reason
    (refused,) = Attempt.objects.get().refused
    assert refused["address"] == "gone@example.com"
    assert (refused["code"], refused["enhanced_code"]) == (550, "5.1.1")
    assert [name for name, _told in heard] == ["refused", "sent"]
    assert heard[0][1]["recipient"] == "gone@example.com"


def test_greylisted_recipient_alone_gets_it_later(profile, server, work, heard):
    server.refused = {"slow@example.com": "450 4.2.0 Greylisted, please try again later"}
    put(mail(to=["bob@example.com", "slow@example.com"]))
    work()
    row = only()
    assert (row.state, row.remaining) == (State.QUEUED, ["slow@example.com"])
    assert row.due_at >= timezone.now() + timedelta(minutes=4)
    assert row.has_content
    server.refused = {}
    due_now()
    work()
    assert [one.recipients for one in server.mails] == [["bob@example.com"], ["slow@example.com"]]
    assert server.mails[0].parsed["Message-ID"] == server.mails[1].parsed["Message-ID"]
    assert only().state == State.SENT
    assert [name for name, _told in heard] == ["sent"]


def test_nobody_left_fails_the_message(profile, server, work, heard):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    put(mail(to=["gone@example.com"]))
    work()
    row = only()
    assert (row.state, row.needs_attention, row.has_content) == (State.FAILED, True, True)
    assert [name for name, _told in heard] == ["refused", "failed"]
    assert heard[1][1]["error"].code == 550


def test_last_recipient_refused_after_others_got_it_is_no_failure(profile, server, work):
    server.refused = {"slow@example.com": "450 4.7.1 Greylisted"}
    put(mail(to=["bob@example.com", "slow@example.com"]))
    work()
    server.refused = {"slow@example.com": "550 5.1.1 No such user"}
    due_now()
    work()
    assert only().state == State.SENT
    assert "No such user" in only().reason


def test_content_refused_for_good_fails_the_message(profile, server, work):
    server.refuse_content = "554 5.7.1 Message contains a virus"
    put(mail())
    work()
    assert only().state == State.FAILED
    assert "virus" in only().reason


def test_content_refused_for_now_waits_by_the_schedule(profile, server, work, settings):
    settings.MAILSETUP = {"RETRY_DELAYS": [60, 300], **getattr(settings, "MAILSETUP", {})}
    server.refuse_content = "451 4.3.0 Try again"
    put(mail())
    waits = []
    for _ in range(4):
        work()
        waits.append((only().due_at - timezone.now()).total_seconds())
        due_now()
    assert only().attempts_made == 4
    assert 47 <= waits[0] <= 72
    assert all(239 <= wait <= 360 for wait in waits[1:])


def test_message_tried_for_long_enough_fails(profile, server, work):
    server.refuse_content = "451 4.3.0 Try again"
    put(mail())
    work()
    long_ago = timezone.now() - timedelta(days=4, minutes=1)
    Message.objects.update(created_at=long_ago, due_at=long_ago)
    work()
    assert only().state == State.QUEUED, "its first attempt was a moment ago"
    Attempt.objects.update(started_at=long_ago)
    due_now()
    work()
    assert only().state == State.FAILED


def test_cut_after_the_content_is_not_known_and_not_sent_again(profile, server, work, heard):
    server.cut = True
    put(mail())
    work()
    row = only()
    assert (row.state, row.needs_attention) == (State.AMBIGUOUS, True)
    assert Attempt.objects.get().outcome == "ambiguous"
    assert [(name, told["state"]) for name, told in heard] == [("failed", State.AMBIGUOUS)]
    server.cut = False
    due_now()
    assert work() == 0


def test_cut_after_the_content_is_sent_again_where_the_profile_says_so(profile, server, work):
    SMTPProfile.objects.update(on_ambiguous="resend")
    server.cut = True
    put(mail())
    work()
    assert only().state == State.QUEUED
    server.cut = False
    due_now()
    work()
    assert only().state == State.SENT
    outcomes = Attempt.objects.order_by("number").values_list("outcome", flat=True)
    assert list(outcomes) == ["ambiguous", "sent"]


def test_failure_of_a_report_is_not_reported(profile, server, work, caplog):
    server.refuse_content = "554 5.7.1 No"
    put(mail())
    Message.objects.update(reports_failure=True)
    work()
    assert (only().state, only().needs_attention) == (State.FAILED, False)
    assert not caplog.records


@pytest.mark.parametrize("level", ["off", "envelope", "content"])
def test_what_is_kept_is_what_the_profile_says(profile, server, work, level):
    SMTPProfile.objects.update(log=level)
    put(mail())
    work()
    kept = [(row.state, row.has_content) for row in Message.objects.all()]
    expected = {
        "off": [],
        "envelope": [(State.SENT, False)],
        "content": [(State.SENT, True)],
    }
    assert kept == expected[level]
    assert len(server.mails) == 1


def test_what_is_due_together_comes_back_apart():
    delays = [retry.delay(1, [300]) for _ in range(10_000)]
    buckets = [0] * 12
    for seconds in delays:
        buckets[int((seconds - 240) / 10)] += 1
    assert max(buckets) <= 2 * 10_000 / 12
    assert min(delays) >= 240
    assert max(delays) <= 360
    assert min(retry.delay(1, [60], at_least=300) for _ in range(1000)) >= 300
    assert retry.delay(99, [60, 120]) >= 96
    assert retry.probe_delay(50) <= 1.2 * retry.PROBE_LAST


def test_link_that_a_filter_quotes_is_masked_and_other_words_stay(profile, server, work):
    token = "c9x-1f3a5b7c9d1e3f5a7b9c1d3e5f7a9b1c"
    server.refuse_content = f"554 5.7.1 https://shop.example.com/reset/MQ/{token}/ is listed"
    server.refused = {"gone@example.com": "550 5.1.1 https://help.example.com/?p=NoSuchUser 4f-si1"}
    put(mail(to=["bob@example.com", "gone@example.com"]))
    work()
    attempt = Attempt.objects.get()
    for text in (only().reason, attempt.reply, attempt.error):
        assert token not in text
        assert "shop.example.com" in text
    assert "p=NoSuchUser 4f-si1" in attempt.refused[0]["reply"]
