"""The log is written by a thread of its own: bounded, apart from the caller, and to the end."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta

import django.core.mail
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import send_mail
from django.db import DataError, OperationalError, connection, connections, transaction
from django.utils import timezone

from mailsetup.delivery.log import entries, logbook, purge
from mailsetup.delivery.log.caller import Caller
from mailsetup.delivery.log.entries import Request
from mailsetup.models import Message
from tests.delivery.profiles import in_force, mail

ACCOUNT = in_force(log="envelope")


def entry(subject="Hi", *, reports_failure=False):
    request = Request(Caller("shop", "shop.mails.send"), reports_failure=reports_failure)
    return entries.entry(mail(subject=subject), request, ACCOUNT, error=OSError("No"))


def subjects():
    return [*Message.objects.order_by("pk").values_list("subject", flat=True)]


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "mailsetup"]


@pytest.fixture
def database(monkeypatch):
    """A database that fails while its `error` is set, and counts how often it was asked."""

    class Database:
        error: Exception | None = None
        asked = 0

    real = entries.insert

    def insert(taken):
        Database.asked += 1
        if Database.error is not None:
            raise Database.error
        real(taken)

    monkeypatch.setattr(entries, "insert", insert)
    monkeypatch.setattr(logbook, "RETRY", (0.01, 0.02))
    monkeypatch.setattr(logbook, "PAUSE", 0.01)
    monkeypatch.setattr(logbook, "TELL_AFTER", 0.0)
    return Database


def until(condition):
    """Wait until a condition holds; the test's own timeout is the guard."""
    event = threading.Event()
    for _number in range(2000):
        if condition():
            return
        event.wait(0.01)
    raise AssertionError("It never came true.")


# -- With a thread


def test_thread_writes_what_was_taken_down(threaded):
    for number in range(3):
        threaded.write_down(entry(str(number)))
    assert threaded.flush()
    assert subjects() == ["0", "1", "2"]


def test_nobody_has_to_ask_for_it(threaded):
    threaded.write_down(entry())
    until(lambda: subjects() == ["Hi"])


def test_it_goes_on_after_a_pause(threaded):
    threaded.write_down(entry("one"))
    assert threaded.flush()
    until(lambda: threaded._waits)
    threaded.write_down(entry("two"))
    assert threaded.flush()
    assert subjects() == ["one", "two"]


def test_thread_ends_when_nothing_comes_and_another_begins(threaded, monkeypatch):
    monkeypatch.setattr(logbook, "IDLE", 0.01)
    threaded.write_down(entry("one"))
    until(lambda: threaded._thread is None)
    threaded.write_down(entry("two"))
    assert threaded.flush()
    assert subjects() == ["one", "two"]


def test_mail_of_a_transaction_rolled_back_is_in_the_log(threaded, stored, ours, server):
    with transaction.atomic():
        send_mail("Hi", "Text", None, ["bob@example.com"])
        transaction.set_rollback(True)
    until(lambda: subjects() == ["Hi"])
    assert len(server.mails) == 1


def test_lock_that_another_holds_for_long_is_waited_for(threaded, monkeypatch, caplog):
    monkeypatch.setattr(logbook, "LOCKED", 0.01)
    with transaction.atomic():
        Message.objects.create(state="queued", subject="theirs")
        threaded.write_down(entry())
        if connection.vendor == "sqlite":
            until(lambda: threaded._failures > 1)
    until(lambda: subjects() == ["theirs", "Hi"])
    assert warnings(caplog) == []


def test_async_caller_is_written_down_without_queries_in_the_loop(threaded, stored, ours):
    async def view():
        send_mail("Hi", "Text", None, ["bob@example.com"])

    asyncio.run(view())
    assert threaded.flush()
    assert subjects() == ["Hi"]


def test_full_queue_lets_go_of_entries_and_tells_how_many(
    threaded, database, settings, caplog, monkeypatch
):
    settings.MAILSETUP = {"LOG_QUEUE": 2}
    monkeypatch.setattr(logbook, "MOST_WAITING", 0.01)
    gate = threading.Event()
    insert = entries.insert
    monkeypatch.setattr(entries, "insert", lambda taken: gate.wait(20) and insert(taken))
    for number in range(5):
        threaded.write_down(entry(str(number)))
    gate.set()
    assert threaded.flush()
    assert subjects() == ["0", "1"]
    until(lambda: warnings(caplog))
    assert warnings(caplog) == ["Entries of the mail log that are missing: 3."]


def test_full_queue_waits_for_a_moment(threaded, settings):
    settings.MAILSETUP = {"LOG_QUEUE": 1}
    for number in range(3):
        threaded.write_down(entry(str(number)))
    assert threaded.flush()
    assert subjects() == ["0", "1", "2"]


def test_kept_contents_fill_the_queue_too(threaded, database, monkeypatch):
    monkeypatch.setattr(logbook, "MOST_OCTETS", 10)
    monkeypatch.setattr(logbook, "MOST_WAITING", 0.01)
    database.error = OperationalError("down")
    large = entry("large")
    large.kept, large.size = (None, None), 11
    threaded.write_down(large)
    until(lambda: database.asked)
    threaded.write_down(entry("one too many"))
    assert len(threaded._entries) + len(threaded._writing) == 1
    with threaded._lock:
        threaded._entries.clear()
    database.error = None


def test_outage_is_told_once_and_what_fits_is_written_after_it(
    threaded, database, settings, caplog
):
    settings.MAILSETUP = {"LOG_QUEUE": 3}
    database.error = OperationalError("gone away")
    threaded.write_down(entry("0"))
    until(lambda: database.asked > 3)
    for number in range(1, 6):
        threaded.write_down(entry(str(number)))
    (told,) = warnings(caplog)
    assert told.startswith("The mail log cannot be written (gone away).")
    database.error = None
    until(lambda: subjects() == ["0", "1", "2"])
    until(lambda: len(warnings(caplog)) == 2)
    assert warnings(caplog)[1] == "Entries of the mail log that are missing: 3."


def test_short_outage_is_not_told(threaded, database, caplog, monkeypatch):
    monkeypatch.setattr(logbook, "TELL_AFTER", 60.0)
    database.error = OperationalError("database is locked")
    threaded.write_down(entry())
    until(lambda: threaded._failures)
    database.error = None
    until(lambda: subjects() == ["Hi"])
    assert warnings(caplog) == []


def test_flush_gives_up_where_the_database_is_down(threaded, database):
    database.error = OperationalError("down")
    threaded.write_down(entry())
    assert not threaded.flush()
    database.error = None
    until(lambda: subjects() == ["Hi"])


def test_entry_that_the_database_refuses_keeps_no_other_out(
    threaded, database, caplog, monkeypatch
):
    insert = entries.insert

    def picky(taken):
        if any(one.subject == "bad" for one in taken):
            raise DataError("too long")
        insert(taken)

    monkeypatch.setattr(entries, "insert", picky)
    for subject in ("one", "bad", "two"):
        threaded.write_down(entry(subject))
    assert threaded.flush()
    assert subjects() == ["one", "two"]
    until(lambda: len(warnings(caplog)) == 2)
    assert warnings(caplog) == [
        "An entry of the mail log cannot be written: too long",
        "Entries of the mail log that are missing: 1.",
    ]


def test_handler_that_mails_about_an_outage_starts_no_chain(
    threaded, database, stored, ours, server
):
    database.error = OperationalError("down")

    class Mailing(logging.Handler):
        def emit(self, record):
            send_mail("The log says", record.getMessage(), None, ["ann@example.com"])

    handler = Mailing()
    logging.getLogger("mailsetup").addHandler(handler)
    try:
        threaded.write_down(entry())
        until(lambda: len(server.mails) == 1)
        asked = database.asked
        until(lambda: database.asked > asked + 3)
        assert len(server.mails) == 1
        database.error = None
        assert threaded.flush() or threaded.flush()
        until(lambda: len(subjects()) == 2)
    finally:
        logging.getLogger("mailsetup").removeHandler(handler)
    row = Message.objects.get(subject="The log says")
    assert row.reports_failure


def test_lost_report_of_a_loss_is_not_counted(threaded, database, settings):
    settings.MAILSETUP = {"LOG_QUEUE": 1}
    database.error = OperationalError("down")
    threaded.write_down(entry("kept"))
    until(lambda: threaded._failures)
    threaded.write_down(entry("lost", reports_failure=True))
    assert threaded._missing == 0
    threaded.write_down(entry("lost"))
    assert threaded._missing == 1
    threaded._missing = 0
    database.error = None
    until(lambda: subjects() == ["kept"])


def test_end_tells_what_could_not_be_written(threaded, database, caplog):
    database.error = OperationalError("down")
    threaded.write_down(entry())
    until(lambda: len(warnings(caplog)) == 1)
    threaded.close()
    assert warnings(caplog)[1:] == ["Entries of the mail log that are missing: 1."]
    assert threaded._thread is None


def test_end_writes_what_no_thread_can_be_started_for(threaded, monkeypatch):
    class Ending(threading.Thread):
        def start(self):
            raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as context:
        context.setattr(threading, "Thread", Ending)
        threaded.write_down(entry())
        monkeypatch.setattr(logbook, "MOST_ENDING", 0.1)
        threaded.close()
    assert subjects() == ["Hi"]


def test_site_without_a_database_lets_go_of_its_entries(threaded, database, caplog):
    database.error = ImproperlyConfigured("settings.DATABASES is improperly configured.")
    threaded.write_down(entry())
    assert threaded.flush()
    assert warnings(caplog) == []


def test_thread_that_writes_purges_too(threaded, monkeypatch):
    long_ago = timezone.now() - timedelta(days=400)
    old = Message(state="sent", subject="old", created_at=long_ago, settled_at=long_ago)
    old.save()
    threaded.write_down(entry("soon"))
    assert threaded.flush()
    assert subjects() == ["old", "soon"]
    monkeypatch.setattr(purge, "_next_look", 0.0)
    monkeypatch.setattr(logbook, "PURGE_AFTER", -1.0)
    threaded.write_down(entry("later"))
    until(lambda: subjects() == ["soon", "later"])


def test_repr_tells_how_many_wait(threaded, database):
    database.error = OperationalError("down")
    threaded.write_down(entry())
    assert repr(threaded) == "<Logbook 1 entries>"
    database.error = None
    assert threaded.flush() or threaded.flush()


# -- In tests


@pytest.mark.django_db
def test_nothing_is_written_in_a_test_before_it_asks(django_assert_num_queries):
    with django_assert_num_queries(0):
        logbook.write_down(entry())
    assert subjects() == []
    assert logbook.flush()
    assert subjects() == ["Hi"]
    assert logbook.flush()
    assert subjects() == ["Hi"]


@pytest.mark.django_db
def test_entries_of_another_test_are_forgotten(monkeypatch):
    logbook.write_down(entry("theirs"))
    monkeypatch.setattr(django.core.mail, "outbox", [])
    assert logbook.flush()
    assert subjects() == []
    logbook.write_down(entry("ours"))
    assert logbook.flush()
    assert subjects() == ["ours"]


@pytest.mark.django_db
def test_no_more_than_the_queue_takes_is_held(settings):
    settings.MAILSETUP = {"LOG_QUEUE": 2}
    for number in range(4):
        logbook.write_down(entry(str(number)))
    assert logbook.flush()
    assert subjects() == ["0", "1"]


@pytest.mark.parametrize(
    ("engine", "name", "expected"),
    [
        ("django.db.backends.sqlite3", ":memory:", True),
        ("django.db.backends.sqlite3", "file:x?mode=memory&cache=shared", True),
        ("django.db.backends.sqlite3", "db.sqlite3", False),
        ("django.db.backends.postgresql", "memory", False),
    ],
)
def test_database_in_memory_has_no_thread(monkeypatch, engine, name, expected):
    found = {**connections.settings["default"], "ENGINE": engine, "NAME": name}
    monkeypatch.setitem(connections.settings, "default", found)
    logbook._is_in_memory.cache_clear()
    assert logbook._is_in_memory() is expected
    logbook._is_in_memory.cache_clear()
