"""Deleting old entries by hand."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.utils import timezone

from mailsetup.admin import log_purge
from mailsetup.models import Message, State
from tests import mails
from tests.admin.conftest import messages, text
from tests.admin.test_log_permissions import url


@pytest.fixture
def rows(db):
    old = timezone.now() - timedelta(days=40)
    times = {"created_at": old, "settled_at": old}
    return {
        "old": mails.mail(State.SENT, **times),
        "troubled": mails.mail(State.FAILED, needs_attention=True, **times),
        "waiting": mails.mail(State.QUEUED, created_at=old),
        "late": mails.mail(State.SENT, created_at=old),
        "new": mails.mail(State.SENT),
    }


def left(rows):
    return {name for name, row in rows.items() if Message.objects.filter(pk=row.pk).exists()}


def test_first_press_counts_and_deletes_nothing(client, rows):
    page = text(client.post(url("purge"), {"days": "30"}))
    assert "1 entry will be deleted" in page
    assert left(rows) == set(rows)
    assert not LogEntry.objects.exists()
    page = text(client.post(url("purge"), {"days": "30", "troubled": "on"}))
    assert "2 entries will be deleted" in page
    assert 'name="days"' not in page
    assert "There is nothing that old." in text(client.post(url("purge"), {"days": "300"}))


def test_second_press_deletes_what_was_counted_and_is_noted(client, rows):
    data = {"days": "30", "confirmed": "yes"}
    response = client.post(url("purge"), data, follow=True)
    assert messages(response) == ["1 entry of the mail log was deleted."]
    assert left(rows) == {"troubled", "waiting", "late", "new"}
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_id) == (DELETION, None)
    client.post(url("purge"), data | {"troubled": "on"})
    assert left(rows) == {"waiting", "late", "new"}


@pytest.mark.parametrize("days", ["", "-1", "x", "999999999999"])
def test_nonsense_deletes_nothing(client, rows, days):
    response = client.post(url("purge"), {"days": days, "confirmed": "yes"})
    assert response.status_code == 200
    assert response.context_data["form"].errors
    assert left(rows) == set(rows)


def test_what_takes_too_long_goes_on_at_the_next_press(client, rows, monkeypatch):
    monkeypatch.setattr(log_purge, "SECONDS", -1)
    response = client.post(url("purge"), {"days": "30", "confirmed": "yes"}, follow=True)
    assert any("Press once more" in each for each in messages(response))
    assert response.redirect_chain == [(url("purge"), 302)]
