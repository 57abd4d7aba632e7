"""``mailsetup_worker`` and ``mailsetup_sweep``: what they print, and how they end."""

from __future__ import annotations

import signal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError

from mailsetup.delivery.outbox import engines
from mailsetup.delivery.outbox import worker as worker_module
from mailsetup.delivery.outbox.sweep import Swept
from mailsetup.delivery.outbox.worker import Tally
from mailsetup.management.commands import mailsetup_sweep, mailsetup_worker
from mailsetup.models import Lease, Message, tables
from mailsetup.signals import message_sent

pytestmark = pytest.mark.django_db(transaction=True)


class Terminal(StringIO):
    """What a command takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(worker_module, "TICK", 0.005)


def run(name, *words, out=None):
    out = out or StringIO()
    call_command(name, *words, stdout=out, no_color=True)
    return out.getvalue()


def deliver(office, number):
    """Have that many messages wait, and be sent when somebody looks."""
    office.waiting = number

    def send():
        if office.looks == 1:
            for _ in range(number):
                message_sent.send(sender=Message)

    office.on_look = send


# The worker


def test_the_worker_drains_and_tells_what_it_did(office):
    deliver(office, 3)
    printed = run("mailsetup_worker", "--drain", "--threads", "1").splitlines()
    assert printed[0].startswith("Delivering with 1 threads: ")
    assert printed[1:] == ["Ended. 3 sent, 0 failed, 0 waiting."]
    assert office.done == 3


def test_the_worker_claims_as_much_as_the_batch_says(office):
    deliver(office, 5)
    run("mailsetup_worker", "--drain", "--threads", "1", "--batch", "2")
    assert [number for _, _, number in office.handled] == [2, 2, 1]


def test_the_quiet_worker_prints_nothing(office):
    deliver(office, 3)
    assert run("mailsetup_worker", "--drain", "--quiet") == ""
    assert office.done == 3


def test_the_worker_that_cannot_drain_fails(office):
    office.errors.append(OperationalError("the database is away"))
    with pytest.raises(CommandError, match="the database is away"):
        run("mailsetup_worker", "--drain", "--threads", "1")


def test_the_worker_ends_where_no_key_can_seal(office, settings):
    settings.MAILSETUP_KEYS = ["no key"]
    with pytest.raises(CommandError, match=r"No mail can be delivered\. Key 1 of MAILSETUP_KEYS"):
        run("mailsetup_worker")
    assert office.looks == 0


def test_the_worker_ends_where_the_storage_cannot_be_made(office, settings):
    settings.STORAGES = settings.STORAGES | {"mailsetup": {"BACKEND": "absent.Storage"}}
    with pytest.raises(CommandError, match="absent"):
        run("mailsetup_worker")
    assert office.looks == 0


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_the_worker_outlasts_a_database_that_is_away_at_its_start(office, monkeypatch, error):
    def fail(*args):
        raise error("the database is away")

    monkeypatch.setattr(tables, "_applied", fail)
    deliver(office, 3)
    assert "Ended. 3 sent" in run("mailsetup_worker", "--drain", "--threads", "1")


@pytest.mark.parametrize("word", ["0", "-1", "many"])
@pytest.mark.parametrize("option", ["--threads", "--batch"])
def test_the_worker_refuses_numbers_that_are_none(option, word):
    with pytest.raises(CommandError, match=option):
        run("mailsetup_worker", f"{option}={word}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker_and_the_next_one_means_what_it_meant(office, number):
    before = signal.getsignal(number)
    office.on_look = lambda: signal.raise_signal(number) if office.looks == 1 else None
    printed = run("mailsetup_worker", "--threads", "1")
    assert printed.splitlines()[-1].startswith("Ended. ")
    assert signal.getsignal(number) is before
    # That of the purge may stay: it tells when the last one was.
    assert not Lease.objects.exclude(name="purge").exists()


def lines(out, *tallies):
    """Return what a command prints for these tallies."""
    command = mailsetup_worker.Command(stdout=out)
    progress = mailsetup_worker.Progress(command, in_terminal=out.isatty())
    for tally in tallies:
        progress(tally)
    return out.getvalue()


def test_a_log_gets_a_line_where_something_has_changed():
    first = Tally(sent=1200, failed=1, done=1201, waiting=98_000, seconds=60)
    idle = Tally(sent=1200, failed=1, done=1201, waiting=98_000, seconds=120)
    last = Tally(sent=2400, failed=1, done=2401, waiting=None, seconds=180)
    assert lines(StringIO(), first, idle, last).splitlines() == [
        "1,200 sent, 1 failed, 98,000 waiting. 20 a second.",
        "2,400 sent, 1 failed. 20 a second.",
    ]


def test_in_a_terminal_each_line_takes_the_place_of_the_one_before():
    printed = lines(Terminal(), Tally(sent=5, done=5, waiting=0, seconds=1), Tally(seconds=2))
    assert printed.count("\r") == 2
    assert "\n" not in printed
    assert printed.startswith("\r5 sent, 0 failed, 0 waiting. 5 a second.")


# The sweep


@pytest.fixture
def swept(monkeypatch):
    """What the sweep finds."""
    found = Swept(freed=3, ambiguous=1, set_aside=0, expired=2, due=7)
    monkeypatch.setattr(mailsetup_sweep, "sweep", lambda: found)
    return found


def test_the_sweep_tells_what_it_found_and_wakes_the_engine(swept, monkeypatch):
    woken = []
    monkeypatch.setattr(engines, "wake", woken.append)
    assert run("mailsetup_sweep") == (
        "3 freed, 1 of which nobody knows whether they arrived, 0 set aside, 2 expired, 7 due.\n"
    )
    assert woken == [7]


def test_the_sweep_delivers_where_it_is_asked_to(swept, office, monkeypatch):
    monkeypatch.setattr(engines, "wake", pytest.fail)
    deliver(office, 7)
    assert run("mailsetup_sweep", "--deliver").splitlines()[1] == "7 worked on."
    assert office.done == 7


def test_the_sweep_that_cannot_deliver_fails(swept, office):
    office.errors.append(RuntimeError("a bug"))
    with pytest.raises(CommandError, match="a bug"):
        run("mailsetup_sweep", "--deliver")


def test_the_sweep_fails_in_a_sentence_where_the_database_is_away(monkeypatch):
    def fail():
        raise OperationalError("no such table")

    monkeypatch.setattr(mailsetup_sweep, "sweep", fail)
    with pytest.raises(CommandError, match="cannot be read: no such table"):
        run("mailsetup_sweep")
