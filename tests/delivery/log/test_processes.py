"""The log of processes that fork, and of those that end."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

BEGIN = """
import multiprocessing, os, sys
import django
from django.conf import settings
django.setup()
from django.core.management import call_command
from django.db import connections
from mailsetup.delivery.log import entries, logbook
from mailsetup.delivery.log.caller import Caller
from tests.delivery.profiles import in_force, mail

def write(subject):
    request = entries.Request(Caller("shop"))
    account = in_force(log="envelope")
    entry = entries.entry(mail(subject=subject), request, account, error=OSError("No"))
    logbook.write_down(entry)

call_command("migrate", "mailsetup", verbosity=0)
connections.close_all()
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script and returns the subjects in its log, sorted."""
    database = tmp_path / "db.sqlite3"

    def run(script: str) -> list[str]:
        variables = {
            "DJANGO_SETTINGS_MODULE": "tests.delivery.log.process_settings",
            "DATABASE": str(database),
        }
        done = subprocess.run(
            # Python looks for threads so soon that it may find one that has just ended.
            [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", BEGIN + script],
            cwd=ROOT,
            env=os.environ | variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        connection = sqlite3.connect(database)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = connection.execute("SELECT subject FROM mailsetup_message").fetchall()
        finally:
            connection.close()
        return sorted(subject for (subject,) in found)

    return run


def test_end_of_the_process_writes_what_waits(run):
    assert run("for n in range(300): write(f'{n:03}')") == [f"{n:03}" for n in range(300)]


def test_end_by_an_exception_handler_writes_what_comes_late(run):
    assert run("import atexit\natexit.register(write, 'late')\nwrite('soon')") == ["late", "soon"]


def test_fork_leaves_each_process_its_own(run):
    script = """
write("before")
logbook.flush()
children = []
for number in range(4):
    write(f"parent {number}")
    child = os.fork()
    if not child:
        assert not logbook.logbook._entries
        write(f"child {number}")
        assert logbook.flush(30)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
write("after")
"""
    numbers = range(4)
    expected = ["before", "after", *(f"{who} {n}" for who in ("child", "parent") for n in numbers)]
    assert run(script) == sorted(expected)


def test_no_connection_lives_through_a_fork(run):
    script = """
write("one")
logbook.flush()
assert logbook.logbook._connection.connection is not None
child = os.fork()
if not child:
    is_open = logbook.logbook._inherited.connection is not None
    os._exit(is_open or len(__import__("threading").enumerate()) > 1)
assert os.waitpid(child, 0)[1] == 0
"""
    assert run(script) == ["one"]


def test_child_of_multiprocessing_writes_what_waits_as_it_ends(run):
    script = """
context = multiprocessing.get_context("fork")
children = [context.Process(target=write, args=(str(n),)) for n in range(3)]
for child in children:
    child.start()
for child in children:
    child.join()
"""
    assert run(script) == ["0", "1", "2"]
