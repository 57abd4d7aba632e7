"""Many processes with many threads each: the connections of a site under gunicorn.

The master sends mail before, between and after the forks; each worker has eight threads. The
server notes over which connection a mail came, and the mail tells which process sent it.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
import threading
import time
from collections import defaultdict
from contextlib import closing
from email.utils import parseaddr

import pytest

from mailsetup.conf import DEFAULTS
from tests.backend_servers import PASSWORD, Mail, Server, serve

from . import letters
from .site_runner import PATIENCE, Gunicorn, NoAnswerError, at_once, running, smtp_sockets

WORKERS, CLIENTS, MAILS = 8, 64, 500
LARGE = 200_000


@pytest.fixture
def mail_server(authority):
    """A server of the test's own that offers PIPELINING and demands STARTTLS and a login."""
    server = serve(authority, "starttls", auth_required=True)
    started = next(server)
    started.pipelining = True
    yield started
    server.close()


@pytest.fixture
def other_server(authority):
    server = serve(authority, "tls", auth_required=True)
    yield next(server)
    server.close()


def variables(server: Server) -> dict[str, str]:
    """Return the default profile for that server, as environment variables."""
    values = server.settings | {"password": PASSWORD, "force_from_email": "no"}
    return {f"MAILSETUP_DEFAULT_{name.upper()}": str(value) for name, value in values.items()}


def sender(mail: Mail) -> tuple[str, int]:
    """Return a mail's name, and the process that sent it."""
    name, pid = mail.parsed["Subject"].split()
    return name, int(pid)


def assert_whole(mail: Mail, size: int) -> None:
    name, pid = sender(mail)
    head, _, content = mail.content.partition(b"\r\n\r\n")
    assert content == letters.body(name, size).replace("\n", "\r\n").encode()
    assert head.count(b"Subject:") == head.count(b"Message-ID:") == 1
    assert parseaddr(mail.parsed["From"])[1] == mail.sender == letters.SENDER
    assert mail.recipients == [letters.RECIPIENT]
    assert pid > 0


def processes_of_connections(mails: list[Mail]) -> dict[int, set[int]]:
    processes = defaultdict(set)
    for mail in mails:
        processes[mail.connection].add(sender(mail)[1])
    return processes


class Drive:
    """Sends mails by many clients at once, and keeps what was answered."""

    def __init__(self, site: Gunicorn, *, workers: int) -> None:
        self.site = site
        self.workers = workers
        self.answered: dict[str, int] = {}
        self._numbers = itertools.count()
        self._until = time.monotonic() + PATIENCE

    def size(self, name: str) -> int:
        """Return the size that the mail of this name is to have."""
        return LARGE if name.startswith("large") else 100

    def one(self) -> None:
        number = next(self._numbers)
        name = f"{'large' if number % 20 == 3 else 'small'}-{number}"
        self.answered[name] = self.site.get("/send", name=name, size=self.size(name))["pid"]

    def is_enough(self) -> bool:
        # A worker may have started late, and missed it all.
        done = len(self.answered) >= MAILS and len({*self.answered.values()}) >= self.workers
        return done or time.monotonic() > self._until

    def until_enough(self, _: int) -> None:
        while not self.is_enough():
            self.one()

    def until_refused(self, _: int) -> None:
        while time.monotonic() < self._until:
            try:
                self.one()
            except NoAnswerError:
                return


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to look at another's sockets")
def test_workers_share_no_connection_and_lose_no_mail(mail_server, tmp_path):
    with running(tmp_path, workers=WORKERS, **variables(mail_server)) as site:
        drive = Drive(site, workers=WORKERS)
        at_once(CLIENTS, drive.until_enough)
        workers = {*drive.answered.values()}
        assert len(workers) == WORKERS
        assert len(drive.answered) >= MAILS
        master = site.process.pid
        held = {pid: smtp_sockets(pid, mail_server.port) for pid in [master, *workers]}
        assert site.stop() == 0

    # Each process keeps connections of its own; the master's came before the forks.
    assert all(held.values())
    assert len(held[master]) == 1
    assert len(set.union(*held.values())) == sum(map(len, held.values()))

    arrived = dict(map(sender, mail_server.mails))
    own = dict.fromkeys(["preload", "exit", *(f"fork-{n + 1}" for n in range(WORKERS))], master)
    assert arrived == own | drive.answered
    assert len(mail_server.mails) == len(arrived)
    for mail in mail_server.mails:
        assert_whole(mail, drive.size(sender(mail)[0]))

    processes = processes_of_connections(mail_server.mails)
    assert {len(users) for users in processes.values()} == {1}
    # The master sent all of its mails over the connection that the forks found parked.
    assert [*processes.values()].count({master}) == 1
    # Kept, and no more than a process may have; large mails and a slow machine change nothing.
    most = WORKERS * DEFAULTS["MAX_CONNECTIONS"] * -(-len(arrived) // 250) + 1
    assert len(processes) <= mail_server.auth_commands <= most
    assert not mail_server.failures
    assert "Traceback" not in site.log
    assert "threads at a fork" not in site.log
    # In a warning of Python's, of a connection that nobody closed.
    assert "SSLSocket" not in site.log


def test_a_graceful_stop_under_load_loses_no_answered_mail(mail_server, tmp_path):
    with running(tmp_path, workers=2, **variables(mail_server)) as site:
        drive = Drive(site, workers=2)
        clients = threading.Thread(target=at_once, args=(CLIENTS // 4, drive.until_refused))
        clients.start()
        while len(drive.answered) < 50:
            assert clients.is_alive(), site.log
            time.sleep(0.01)
        assert site.stop() == 0
        clients.join(PATIENCE)

    names = [sender(mail)[0] for mail in mail_server.mails]
    assert len(names) == len({*names})
    assert {*drive.answered} <= {*names}
    for mail in mail_server.mails:
        assert_whole(mail, drive.size(sender(mail)[0]))
    assert not mail_server.failures
    assert "Traceback" not in site.log


def test_a_graceful_stop_ends_mail_in_the_background_cleanly(mail_server, tmp_path):
    mail_server.pause = 0.05
    sending = {"MAILSETUP_DEFAULT_SENDING": "background"}
    with running(tmp_path, workers=2, **variables(mail_server), **sending) as site:
        for number in range(80):
            site.get("/send", name=f"mail-{number}", size=100)
        accepted = len(mail_server.mails)
        assert accepted < 80
        assert site.stop() == 0

    with closing(sqlite3.connect(tmp_path / "site.sqlite3")) as database:
        query = "SELECT state, count(*) FROM mailsetup_message GROUP BY state"
        states = dict(database.execute(query))
    # What was under way is done, and some of what waited; the rest waits, and is nobody's.
    assert {*states} <= {"sent", "queued"}
    assert states["sent"] == len(mail_server.mails) > accepted
    names = [sender(mail)[0] for mail in mail_server.mails]
    assert len(names) == len({*names})
    assert not mail_server.failures
    assert "Traceback" not in site.log
    assert "threads at a fork" not in site.log


def test_an_edit_in_one_process_takes_effect_in_the_others(mail_server, other_server, tmp_path):
    def fields(server: Server) -> dict[str, object]:
        return server.settings | {"password": PASSWORD, "from_email": letters.SENDER}

    workers = 3
    names = itertools.count()

    def from_each(site: Gunicorn) -> set[str]:
        """Have every worker send; return the names of all mails."""
        sent: dict[str, int] = {}
        until = time.monotonic() + PATIENCE

        def work(_: int) -> None:
            while len({*sent.values()}) < workers and time.monotonic() < until:
                name = f"mail-{next(names)}"
                sent[name] = site.get("/send", name=name, size=100)["pid"]

        at_once(workers * 8, work)
        assert len({*sent.values()}) == workers
        return {*sent}

    with running(tmp_path, workers=workers) as site:
        site.post("/edit", **fields(mail_server))
        time.sleep(DEFAULTS["PROBE_SECONDS"])
        before = from_each(site)
        site.post("/edit", **fields(other_server))
        time.sleep(DEFAULTS["PROBE_SECONDS"])
        after = from_each(site)
        assert site.stop() == 0

    # Each request after that time, of whichever worker, took the new server.
    assert sorted(sender(mail)[0] for mail in mail_server.mails) == sorted(before)
    assert sorted(sender(mail)[0] for mail in other_server.mails) == sorted(after)
    for server in (mail_server, other_server):
        assert {len(users) for users in processes_of_connections(server.mails).values()} == {1}
        assert not server.failures
    assert "Traceback" not in site.log
