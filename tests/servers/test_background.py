"""Twenty mails with each engine, started as a site starts it, and a worker killed midway."""

from __future__ import annotations

import shutil
import signal
import urllib.request

import pytest

from tests.backend_servers import serve

from .background.site import PATIENCE, Site, free_port
from .process import Child, server_directory, wait_for

pytestmark = pytest.mark.servers

MAILS = 20
# Mails at the server when the worker is killed: it answers to no other before.
MIDWAY = 5


@pytest.fixture
def slow_server(authority):
    """A server that takes its time, and waits midway: nobody is done before the kill."""
    server = serve(authority, "none")
    started = next(server)
    started.pause = 0.1
    started.most = MIDWAY
    yield started
    server.close()


@pytest.fixture(scope="module")
def redis():
    """The address of a Redis of the tests' own; it keeps nothing on disk."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed: tests/servers/install")
    port = free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with server_directory("redis") as directory:
        words += ["--dir", str(directory)]
        with Child(["redis-server", *words], ports=[port], log=directory / "redis.log"):
            yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def start(tmp_path, slow_server):
    """Return a function that makes a site with an engine."""
    sites = []

    def make(engine, **environment):
        site = Site(tmp_path, engine, slow_server, **environment)
        sites.append(site)
        return site.__enter__()

    yield make
    for site in sites:
        site.__exit__()


def test_mailsetup_worker(start):
    site = start("worker")
    site.run("-m", "tests.servers.background.letters", str(MAILS))
    assert site.states() == {"queued": MAILS}
    command = ("manage.py", "mailsetup_worker", "--threads", "2", "--batch", "5")
    killed = site.start(*command)
    site.wait_for_mails(MIDWAY)
    site.kill(killed)
    assert site.states()["sent"] < MAILS
    assert site.states()["sending"] > 0

    successor = site.start(*command)
    site.wait_until_all_are_sent(MAILS)
    site.assert_nothing_lost(MAILS)
    successor.process.send_signal(signal.SIGTERM)
    assert successor.process.wait(PATIENCE) == 0
    assert "Ended. " in successor.log()
    assert "Traceback" not in successor.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_mailsetup_worker_told_to_stop_sends_nothing_twice(start, number):
    site = start("worker")
    site.run("-m", "tests.servers.background.letters", str(MAILS))
    stopped = site.start("manage.py", "mailsetup_worker", "--batch", str(MAILS))
    site.wait_for_mails(MIDWAY)
    stopped.process.send_signal(number)
    site.server.most = None
    assert stopped.process.wait(PATIENCE) == 0
    # All that it had claimed is free at once, without a sweep.
    sent = len(site.server.mails)
    assert sent < MAILS
    assert site.states() == {"sent": sent, "queued": MAILS - sent}
    # That of the purge stays: it tells when the last one was.
    assert not site.rows("SELECT * FROM mailsetup_lease WHERE name <> 'purge'")
    assert f"{sent} sent, 0 failed, {MAILS - sent} waiting." in stopped.log()

    printed = site.run("manage.py", "mailsetup_worker", "--drain")
    assert f"{MAILS - sent} sent, 0 failed, 0 waiting." in printed
    assert len(site.server.mails) == MAILS
    site.assert_nothing_lost(MAILS)


def test_cron_alone(start):
    site = start("worker")
    site.run("-m", "tests.servers.background.letters", "3")
    assert "3 due." in site.run("manage.py", "mailsetup_sweep")
    assert not site.server.mails
    assert "3 worked on." in site.run("manage.py", "mailsetup_sweep", "--deliver")
    assert site.states() == {"sent": 3}
    site.assert_nothing_lost(3)


def test_inline(start):
    site = start("inline")
    killed = site.start("-m", "tests.servers.background.letters", str(MAILS), "stay")
    wait_for(lambda: site.states().total() == MAILS, seconds=PATIENCE, what="all to be stored")
    site.wait_for_mails(MIDWAY)
    site.kill(killed)
    assert site.states()["sent"] < MAILS

    # The site starts again, and nobody sends a mail: a visitor comes.
    port = free_port()
    site.start("manage.py", "runserver", "--noreload", str(port), ports=(port,))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
        assert answer.status == 200
    site.wait_until_all_are_sent(MAILS)
    site.assert_nothing_lost(MAILS)


def test_inline_delivers_what_a_short_process_leaves(start):
    site = start("inline")
    site.run("-m", "tests.servers.background.letters", "3")
    assert site.states() == {"sent": 3}
    site.assert_nothing_lost(3)


def test_celery_with_redis(start, redis, tmp_path):
    pytest.importorskip("celery")
    site = start("celery", CELERY_BROKER_URL=redis, MAIL_SWEEP_SECONDS="1")
    celery = ("-m", "celery", "--app", "config.celery")
    worker = (*celery, "worker", "--concurrency", "2", "--loglevel", "info")
    killed = site.start(*worker)
    site.run("-m", "tests.servers.background.letters", str(MAILS))
    site.wait_for_mails(MIDWAY)
    site.kill(killed)
    assert site.states()["sent"] < MAILS

    site.start(*celery, "beat", "--schedule", str(tmp_path / "beat"))
    successor = site.start(*worker)
    site.wait_until_all_are_sent(MAILS)
    site.assert_nothing_lost(MAILS)
    assert "mailsetup.sweep" in successor.log()
    assert "Traceback" not in successor.log()


def test_django_tasks_with_the_database_worker(start):
    pytest.importorskip("django_tasks_db")
    site = start("tasks")
    worker = ("manage.py", "db_worker", "--no-startup-delay", "--interval", "0.2")
    killed = site.start(*worker)
    site.run("-m", "tests.servers.background.letters", str(MAILS))
    site.wait_for_mails(MIDWAY)
    site.kill(killed)
    assert site.states()["sent"] < MAILS

    successor = site.start(*worker)

    def is_sent() -> bool:
        # What cron does once a minute.
        site.run("manage.py", "mailsetup_sweep")
        return site.states() == {"sent": MAILS}

    wait_for(is_sent, seconds=PATIENCE, what="all to be sent")
    site.assert_nothing_lost(MAILS)
    assert "Traceback" not in successor.log()
