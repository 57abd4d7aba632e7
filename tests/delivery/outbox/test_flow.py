"""From send_mail to the server, through the outbox."""

from __future__ import annotations

from django.db import transaction

from mailsetup.models import Attempt, Message, State

from .conftest import mail, put


def test_mail_waits_in_the_outbox_until_somebody_works(profile, server, told, work):
    (row,) = put(mail(subject="Chào buổi sáng", bcc=["secret@example.com"]))
    assert row.state == State.QUEUED
    assert told == [[row.pk]]
    assert not server.mails
    assert work() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts_made, row.has_content) == (State.SENT, 1, False)
    (arrived,) = server.mails
    assert arrived.recipients == ["bob@example.com", "secret@example.com"]
    assert arrived.parsed["Subject"] == "Chào buổi sáng"
    assert arrived.parsed["Message-ID"] == row.message_id
    assert arrived.parsed["From"] == "shop@example.com"
    assert b"secret@example.com" not in arrived.content
    attempt = Attempt.objects.get(message=row)
    assert (attempt.outcome, attempt.code, attempt.stage) == ("sent", 250, "accepted")
    assert attempt.accepted == ["bob@example.com", "secret@example.com"]


def test_rollback_takes_the_mail_along(profile, told):
    with transaction.atomic():
        put(mail())
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert told == []


def test_batch_goes_over_one_connection_and_each_is_settled(profile, server, work):
    rows = put(*(mail(subject=str(nth)) for nth in range(20)))
    assert work() == 20
    assert [one.parsed["Subject"] for one in server.mails] == [str(nth) for nth in range(20)]
    assert len({one.connection for one in server.mails}) == 1
    states = Message.objects.filter(pk__in=[row.pk for row in rows]).values_list("state", flat=True)
    assert set(states) == {State.SENT}
    assert Attempt.objects.count() == 20
