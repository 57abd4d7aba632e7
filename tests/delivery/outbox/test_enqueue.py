"""Leaving a mail to the outbox: what is stored, when, and what a mail's headers ask for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.core.mail import send_mail, send_mass_mail
from django.db import DatabaseError, transaction
from django.utils import timezone

from mailsetup.backends import EmailBackend
from mailsetup.delivery.log import logbook
from mailsetup.delivery.outbox import enqueue
from mailsetup.exceptions import InvalidProfileError, OutboxUnavailableError
from mailsetup.models import Message, Priority, SMTPProfile, State
from mailsetup.signals import message_queued

from .conftest import mail, put


def test_own_headers_are_obeyed_and_taken_out(profile, server, work):
    headers = {"X-Mailsetup-Priority": "high", "x-mailsetup-sending": "background", "X-Shop": "1"}
    (row,) = put(mail(headers=headers))
    assert row.priority == Priority.HIGH
    work()
    (arrived,) = server.mails
    assert b"mailsetup" not in arrived.content.lower()
    assert arrived.parsed["X-Shop"] == "1"


def test_own_headers_are_taken_out_of_mails_sent_at_once(profile, server):
    rows = put(mail(headers={"X-Mailsetup-Sending": "at_once", "X-Mailsetup-Priority": "bulk"}))
    assert all(row.state == State.SENT for row in rows)
    assert b"mailsetup" not in server.mails[0].content.lower()


def test_more_urgent_mail_overtakes(profile, server, work):
    put(*(mail(subject=f"news {nth}", headers={"X-Mailsetup-Priority": "bulk"}) for nth in (1, 2)))
    put(mail(subject="order"))
    put(mail(subject="reset", headers={"X-Mailsetup-Priority": "high"}))
    work(limit=1)
    subjects = [one.parsed["Subject"] for one in server.mails]
    assert subjects == ["reset", "order", "news 1", "news 2"]


def test_mail_to_be_sent_later_waits(profile, server, work):
    moment = timezone.now() + timedelta(hours=1)
    (row,) = put(mail(headers={"X-Mailsetup-Send-At": moment.isoformat()}))
    assert row.due_at == moment
    assert work() == 0
    Message.objects.update(due_at=timezone.now())
    assert work() == 1


def test_mail_whose_time_is_over_is_not_sent(profile, server, work):
    moment = timezone.now() - timedelta(seconds=1)
    (row,) = put(mail(headers={"X-Mailsetup-Expires-At": moment}))
    work()
    row.refresh_from_db()
    assert row.state == State.EXPIRED
    assert not server.mails


def test_second_mail_with_the_same_key_is_not_stored(profile, told):
    with transaction.atomic():
        (first,) = put(mail(headers={"X-Mailsetup-Idempotency-Key": "order-7"}))
        assert put(mail(headers={"X-Mailsetup-Idempotency-Key": "order-7"})) == []
        # The caller's transaction goes on.
        put(mail(subject="another"))
    assert Message.objects.count() == 2
    assert first.idempotency_key == "order-7"
    assert [len(keys) for keys in told] == [1, 1]


def test_keys_that_look_alike_are_different(profile):
    for key in ("order-a", "Order-a", "order-á"):
        assert len(put(mail(headers={"X-Mailsetup-Idempotency-Key": key}))) == 1


def test_key_and_time_ask_for_the_outbox_of_a_profile_that_sends_at_once(profile, server):
    SMTPProfile.objects.update(sending="at_once")
    (row,) = put(mail(headers={"X-Mailsetup-Idempotency-Key": "order-8"}))
    assert (row.state, row.background) == (State.QUEUED, True)
    assert not server.mails


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        ("Priority", "soon", "high, normal, bulk"),
        ("Send-At", "tomorrow", "2030-01-31T09:30:00"),
        ("Expires-At", "2030-02-31T09:30:00", "2030-01-31T09:30:00"),
        ("Idempotency-Key", "", "1 to 200"),
        ("Idempotency-Key", "x" * 201, "1 to 200"),
        ("Sending", "never", "background, at_once"),
        ("Colour", "blue", "is no header of mailsetup"),
    ],
)
def test_header_that_cannot_be_used_is_named(profile, header, value, words):
    with pytest.raises(ValueError, match=f"X-Mailsetup-{header}") as caught:
        put(mail(headers={f"X-Mailsetup-{header}": value}))
    assert words in str(caught.value)
    assert not Message.objects.exists()


def test_naive_moment_is_in_the_time_zone_of_the_site(profile, settings):
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"
    with timezone.override("Asia/Ho_Chi_Minh"):
        (row,) = put(mail(headers={"X-Mailsetup-Send-At": "2030-01-31T09:30:00"}))
    assert row.due_at.isoformat() == "2030-01-31T02:30:00+00:00"


def test_invalid_address_is_raised_and_the_others_are_stored(profile):
    with pytest.raises(ValueError, match="Invalid address"):
        put(mail(to=["a@b@c"]), mail(subject="good"))
    assert [row.subject for row in Message.objects.all()] == ["good"]


def test_database_that_fails_is_told_to_the_caller(profile, monkeypatch):
    def fail(*args: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(enqueue, "_insert", fail)
    with pytest.raises(OutboxUnavailableError, match="disk full"):
        put(mail())
    assert EmailBackend(fail_silently=True).send_messages([mail()]) == 0


def test_mailer_with_an_account_of_its_own_cannot_wait(profile):
    with pytest.raises(InvalidProfileError, match="at once"):
        put(mail(), username="ann", password="word", background=True)
    with pytest.raises(InvalidProfileError, match="at once"):
        put(mail(), host="mail.example.com", background=True)
    assert not Message.objects.exists()


def test_options_of_the_mailer_outrank_the_profile(profile, server):
    assert put(mail(), background=True)[0].background
    put(mail(subject="now"), background=False)
    assert [one.parsed["Subject"] for one in server.mails] == ["now"]
    SMTPProfile.objects.update(sending="at_once")
    assert put(mail(), background=True)[0].state == State.QUEUED


def test_profile_that_does_not_send_stores_nothing_to_send(profile, server, work):
    SMTPProfile.objects.update(do_not_send=True)
    put(mail())
    assert work() == 0
    assert not server.mails


def test_send_mail_in_an_event_loop_reaches_the_outbox(profile, ours):
    async def send() -> int:
        return send_mail("Subject", "Text", None, ["ann@example.com"])

    assert asyncio.run(send()) == 1
    assert Message.objects.get().state == State.QUEUED


def test_mass_mail_is_stored_at_once_and_told_once(profile, ours, told):
    mails = [(str(nth), "Text", None, [f"u{nth}@example.com"]) for nth in range(30)]
    assert send_mass_mail(mails) == 30
    assert [len(keys) for keys in told] == [30]
    stored = Message.objects.order_by("pk").values_list("subject", flat=True)
    assert list(stored) == [str(nth) for nth in range(30)]


def test_signal_tells_of_the_row_and_the_mail(profile):
    heard = []

    def hear(sender, message, entry, message_id, **rest):
        heard.append((sender, message, entry.pk, message_id))

    message_queued.connect(hear)
    try:
        given = mail()
        (row,) = put(given)
    finally:
        message_queued.disconnect(hear)
    assert heard == [(EmailBackend, given, row.pk, row.message_id)]


def test_row_tells_what_the_log_shows(profile):
    (row,) = put(mail(subject="Xin chào", to=["Ann <ann@example.com>"]))
    assert row.recipients == ["ann@example.com"]
    assert row.subject == "Xin chào"
    assert "ann@example.com" in row.search
    assert row.message_id.lower() in row.search
    assert row.size > 100
    assert row.profile == "shop"


def test_mail_that_cannot_be_composed_is_in_the_log(profile):
    with pytest.raises(ValueError, match="Invalid address"):
        put(mail(to=["a@b@c"], subject="bad"))
    logbook.flush()
    row = Message.objects.get()
    assert (row.state, row.subject, row.background) == (State.FAILED, "bad", False)
    assert "Invalid address" in row.reason


def test_log_shows_the_from_that_goes_out(profile, server, work):
    (row,) = put(mail())
    assert row.from_email == "shop@example.com"
    assert row.recipe["from"] == "webmaster@localhost"
    SMTPProfile.objects.update(from_email="new@example.com", from_name="Trà Mây")
    work()
    row.refresh_from_db()
    assert row.from_email == '"Trà Mây" <new@example.com>'
    put(mail(headers={"X-Mailsetup-Sending": "at_once"}))
    logbook.flush()
    assert Message.objects.latest("pk").from_email == row.from_email


def test_receiver_that_sends_a_mail_of_its_own_does_not_wait_for_itself(profile, told):
    def answer(entry, **rest):
        if entry.subject == "first":
            put(mail(subject="second"))

    message_queued.connect(answer)
    try:
        put(mail(subject="first"))
    finally:
        message_queued.disconnect(answer)
    assert set(Message.objects.values_list("subject", flat=True)) == {"first", "second"}
