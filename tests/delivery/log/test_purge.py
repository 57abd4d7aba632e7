"""The log keeps what it is told to keep, and no more."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from mailsetup.delivery import content
from mailsetup.delivery.log import purge
from mailsetup.delivery.log.purge import Limits, purge_if_due
from mailsetup.delivery.outbox import sweep
from mailsetup.models import Attempt, Lease, Message

pytestmark = pytest.mark.django_db

NOTHING = Limits(days=None, content_days=None, rows=None, content_bytes=None)


@pytest.fixture(autouse=True)
def _its_own_hour(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(purge, "_next_look", 0.0)
    settings.MAILSETUP = {"CONTENT_DIR": tmp_path / "contents", "CONTENT_INLINE": 100}


def store(subject="", *, days=0.0, state="sent", text=b"", **values):
    """Store a message that was settled so many days ago, with an attempt and a content."""
    at = timezone.now() - timedelta(days=days)
    values = {"created_at": at, "settled_at": at} | values
    row = Message(subject=subject, state=state, size=len(text), **values)
    if text:
        content.keep(row, text)
    row.save()
    row.attempts.create(number=1)
    return row


def subjects():
    return [*Message.objects.order_by("pk").values_list("subject", flat=True)]


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def limits(**values):
    return replace(NOTHING, **values)


def test_old_messages_go_with_their_attempts():
    store("old", days=91)
    store("new", days=89)
    assert purge.purge() == purge.Purged(messages=1)
    assert subjects() == ["new"]
    assert Attempt.objects.count() == 1


def test_message_that_waits_is_sent_or_failed_stays():
    for state in ("queued", "sending", "failed", "ambiguous", "set_aside"):
        store(state, days=400, state=state, needs_attention=state not in {"queued", "sending"})
    for state in ("expired", "canceled", "dropped"):
        store(state, days=400, state=state)
    store("dealt with", days=400, state="failed")
    purge.purge(limits(days=1, rows=0, content_days=1, content_bytes=0))
    assert subjects() == ["queued", "sending", "failed", "ambiguous", "set_aside"]
    purge.purge(limits(days=1, troubled=True))
    assert subjects() == ["queued", "sending"]


def test_message_settled_lately_stays_though_made_long_ago():
    store("late", days=400, settled_at=timezone.now())
    store("never told", days=400, settled_at=None)
    purge.purge()
    assert subjects() == ["late"]


def test_newest_messages_stay_up_to_a_number():
    for number in range(5):
        store(str(number))
    store("waits", state="queued")
    assert purge.purge(limits(rows=2)).messages == 3
    assert subjects() == ["3", "4", "waits"]
    assert purge.purge(limits(rows=2)).messages == 0


def test_old_contents_go_before_their_messages(tmp_path):
    store("small", days=31, text=b"x")
    store("large", days=31, text=b"x" * 1000)
    store("new", days=29, text=b"x" * 1000)
    assert len(files(tmp_path)) == 2
    assert purge.purge() == purge.Purged(contents=2)
    assert [row.has_content for row in Message.objects.order_by("pk")] == [False, False, True]
    assert len(files(tmp_path)) == 1


def test_newest_contents_stay_up_to_a_size():
    for number in range(4):
        store(str(number), text=b"x" * 10)
    assert purge.purge(limits(content_bytes=25)).contents == 2
    assert [row.has_content for row in Message.objects.order_by("pk")] == [
        False,
        False,
        True,
        True,
    ]


def test_files_of_deleted_messages_go(tmp_path):
    store(days=91, text=b"x" * 1000)
    assert purge.purge() == purge.Purged(messages=1)
    assert files(tmp_path) == []


def test_no_limit_keeps_all():
    store("old", days=4000, text=b"x")
    assert purge.purge(NOTHING) == purge.Purged()


def test_more_than_a_part_goes(monkeypatch):
    monkeypatch.setattr(purge, "CHUNK", 2)
    for _number in range(5):
        store(days=91)
    assert purge.purge().messages == 5


def test_dry_run_counts_and_deletes_nothing(tmp_path):
    store("old", days=91, text=b"x" * 1000)
    store("content", days=31, text=b"x" * 1000)
    orphan(tmp_path / "contents", "ab" * 16)
    assert purge.purge(dry_run=True) == purge.Purged(messages=1, contents=1, files=1)
    assert subjects() == ["old", "content"]
    assert len(files(tmp_path)) == 3


def test_message_sent_again_meanwhile_stays(monkeypatch):
    row = store("again", days=91)
    delete = purge._delete

    def later(chunk):
        Message.objects.filter(pk=row.pk).update(state="queued")
        return delete(chunk)

    monkeypatch.setattr(purge, "_delete", later)
    assert purge.purge().messages == 0
    assert subjects() == ["again"]


# Files of no message


def orphan(folder, name, *, days=2.0):
    path = folder / name[:2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"sealed")
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))
    return path


def test_old_files_of_no_message_go(tmp_path):
    folder = tmp_path / "contents"
    kept = store("kept", text=b"x" * 1000)
    name = kept.content_file.rpartition("/")[2]
    orphan(folder, name)
    gone = orphan(folder, "ab" * 16)
    gone_too = orphan(folder, "cd" * 16 + "_x7Qa9Zk")
    young = orphan(folder, "ef" * 16, days=0.5)
    foreign = orphan(folder, "report.pdf")
    assert purge.purge(NOTHING).files == 2
    assert not gone.exists()
    assert not gone_too.exists()
    assert young.exists()
    assert foreign.exists()
    assert (folder / kept.content_file).exists()


def test_site_without_a_place_for_files_has_none(settings):
    del settings.BASE_DIR
    settings.MAILSETUP = {}
    assert purge.purge(NOTHING).files == 0


def test_storage_that_cannot_be_listed_keeps_its_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "mailsetup": {"BACKEND": "django.core.files.storage.Storage"},
    }
    assert storages["mailsetup"] is not None
    assert purge.purge(NOTHING).files == 0


def test_file_deleted_meanwhile_is_no_error(tmp_path, monkeypatch):
    path = orphan(tmp_path / "contents", "ab" * 16)
    listed = purge._files

    def vanishing(storage):
        for name in listed(storage):
            path.unlink()
            yield name

    monkeypatch.setattr(purge, "_files", vanishing)
    assert purge.purge(NOTHING).files == 0


# By itself


def test_it_purges_once_an_hour(monkeypatch):
    store("old", days=91)
    assert purge_if_due().messages == 1
    store("old", days=91)
    assert purge_if_due() is None
    monkeypatch.setattr(purge, "_next_look", 0.0)
    assert purge_if_due() is None
    Lease.objects.filter(name="purge").update(until=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr(purge, "_next_look", 0.0)
    assert purge_if_due().messages == 1


def test_run_cut_short_goes_on_soon(monkeypatch, tmp_path):
    store("old", days=91)
    orphan(tmp_path / "contents", "ab" * 16)
    purged = purge_if_due(seconds=0.0)
    assert (purged.messages, purged.files, purged.finished) == (0, 0, False)
    until = Lease.objects.get(name="purge").until
    assert until < timezone.now() + timedelta(seconds=purge.SOON)
    assert purge._next_look < time.monotonic() + purge.SOON


def test_failure_is_logged(monkeypatch, caplog):
    def broken(**kwargs):
        raise OperationalError("gone away")

    monkeypatch.setattr(purge, "purge", broken)
    assert purge_if_due() is None
    assert "could not be purged: gone away" in caplog.text


def test_sweep_purges():
    store("old", days=91)
    sweep.sweep()
    assert subjects() == []


# The command


def run(*arguments):
    out = StringIO()
    call_command("mailsetup_purge", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def test_command_tells_what_it_deleted():
    store("old", days=91)
    store("content", days=31, text=b"x")
    expected = "1 mails, the contents of 1 others and 0 files of no mail"
    assert run("--dry-run") == f"{expected} would be deleted.\n"
    assert run() == f"{expected} deleted.\n"
    assert subjects() == ["content"]


def test_command_takes_other_limits():
    for number in range(4):
        store(str(number), days=10, text=b"x" * 10)
    run("--content-bytes", "30", "--content-days", "20", "--rows", "3")
    assert subjects() == ["1", "2", "3"]
    run("--content-bytes", "10")
    assert [row.has_content for row in Message.objects.order_by("pk")] == [False, False, True]
    store("failed", days=10, state="failed", needs_attention=True)
    run("--days", "9")
    assert subjects() == ["failed"]
    run("--days", "0", "--troubled")
    assert subjects() == []


@pytest.mark.parametrize("wrong", ["-1", "many"])
def test_command_refuses_a_wrong_number(wrong):
    with pytest.raises(CommandError, match="--days"):
        run(f"--days={wrong}")


def test_command_names_the_database_s_failure(monkeypatch):
    def broken(*args, **kwargs):
        raise OperationalError("gone away")

    monkeypatch.setattr("mailsetup.management.commands.mailsetup_purge.purge", broken)
    with pytest.raises(CommandError, match=r"could not be purged: gone away"):
        run()
