"""What leaves the log as a file."""

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry

from mailsetup.admin import log_export
from mailsetup.models import Message, State
from tests import mails
from tests.admin.test_log_permissions import url
from tests.mails import TOKEN


def rows_of(response):
    octets = b"".join(response.streaming_content)
    return list(csv.DictReader(io.StringIO(octets.decode("utf-8-sig"), newline="")))


def test_list_is_written_as_csv_and_noted(client, db):
    mails.mail(State.FAILED, recipients=["a@example.org", "b@example.org"], reason="550, no")
    response = client.post(url("export"))
    assert response.streaming
    assert response.headers["Content-Disposition"].startswith('attachment; filename="mail-log-')
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    (row,) = rows_of(response)
    assert row["recipients"] == "a@example.org b@example.org"
    assert row["reason"] == "550, no"
    assert row["state"] == "failed"
    assert LogEntry.objects.get().change_message == "Exported as CSV."


def test_filters_and_search_hold(client, db):
    mails.mail(State.FAILED, subject="Invoice")
    mails.mail(State.SENT, subject="Invoice")
    mails.mail(State.FAILED, subject="Other")
    response = client.post(url("export") + "?state=failed&q=invoice")
    assert [row["subject"] for row in rows_of(response)] == ["Invoice"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cell_that_a_spreadsheet_would_run_is_prefixed(client, db, start):
    words = f"{start}cmd|' /C calc'!A0"
    fields = ("subject", "from_email", "app", "caller", "profile", "message_id", "reason")
    row = mails.mail(recipients=[words], **dict.fromkeys(fields, words))
    mails.attempt(row)
    (row,) = rows_of(client.post(url("export")))
    for name in (*fields, "recipients"):
        assert row[name.removesuffix("_email")] == f"'{words}", name


def test_no_cell_begins_as_a_formula(client, db):
    mails.mail(State.QUEUED, app="", caller="", reason="")
    (row,) = rows_of(client.post(url("export")))
    assert not [value for value in row.values() if value.startswith(log_export.FORMULA)]


def test_content_and_its_secrets_stay(client, db):
    mails.mail(kept=mails.octets())
    octets = b"".join(client.post(url("export")).streaming_content)
    assert TOKEN.encode() not in octets
    assert b"Your new password" not in octets


def test_rows_are_read_in_pieces(db, monkeypatch):
    monkeypatch.setattr(log_export, "CHUNK", 2)
    for _each in range(5):
        mails.mail()
    assert len(list(log_export.lines(Message.objects.order_by("-pk")))) == 6
