"""Forks, the end of the interpreter, and SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .postman import Office, Postman

ROOT = Path(__file__).parent.parent.parent

PRELUDE = """
import os, signal, sys, threading
from mailsetup.smtp import Account, Encryption, Envelope, Login, Outcome, Session
from mailsetup.smtp.pool import pool

with open(sys.argv[2]) as file:
    ca = file.read()
account = Account(
    host="localhost", port=int(sys.argv[1]), encryption=Encryption.TLS, login=Login.NONE,
    ca=ca, key=("default", 1), timeout=10.0,
)

def send(name):
    (receipt,) = pool.send(account, [Envelope(name, ("b@example.com",), b"x\\r\\n")])
    assert receipt.outcome is Outcome.SENT, receipt
"""


@pytest.fixture
def office(server_context):
    office = Office(Postman, tls=server_context)
    yield office
    office.close()


@pytest.fixture
def start(office, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    running = []

    def run(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                PRELUDE + textwrap.dedent(script),
                str(office.port),
                str(tmp_path / "ca.pem"),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_forked_children_speak_on_connections_of_their_own(office, start):
    process = start("""
        send("before@example.com")
        unpooled = Session.open(account)
        children = []
        for number in range(4):
            child = os.fork()
            if child == 0:
                assert unpooled.sock is None
                assert repr(pool) == "<Pool 0 connections, 0 idle>"
                unpooled.quit()
                for nth in range(5):
                    send(f"child{number}-{nth}@example.com")
                os._exit(0)
            children.append(child)
        for nth in range(5):
            send(f"parent{nth}@example.com")
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        send("after@example.com")
        assert unpooled.noop()[0] == 500
        unpooled.quit()
    """)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    senders = [mail.sender for mail in office.accepted]
    assert len(senders) == len(set(senders)) == 27
    assert len(office.postmen) == 6
    parent = next(p for p in office.postmen if p.accepted[:1] and p.accepted[0].sender[0] == "b")
    assert [mail.sender for mail in parent.accepted] == [
        "before@example.com",
        *[f"parent{nth}@example.com" for nth in range(5)],
        "after@example.com",
    ]


def test_fork_in_a_thread_while_others_send(office, start):
    process = start("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        send("before@example.com")
        def work(number):
            for nth in range(20):
                send(f"thread{number}-{nth}@example.com")
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        children = []
        for number in range(5):
            child = os.fork()
            if child == 0:
                send(f"child{number}@example.com")
                os._exit(0)
            children.append(child)
        for thread in threads:
            thread.join()
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
    """)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 0, errors
    senders = [mail.sender for mail in office.accepted]
    assert len(senders) == len(set(senders)) == 66


def test_end_of_the_interpreter_says_goodbye(office, start):
    process = start('send("one@example.com")')
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert errors == ""
    office.close()
    assert office.commands[-1] == b"QUIT"


def test_sigterm_in_the_middle_of_sending_doubles_nothing(office, start):
    process = start("""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        nth = 0
        while True:
            send(f"m{nth}@example.com")
            nth += 1
            print(nth, flush=True)
    """)
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    # communicate() would miss what readline() has read ahead.
    said = process.stdout.read()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    office.close()
    settled = int(said.split()[-1]) if said.split() else 20
    senders = [mail.sender for mail in office.accepted]
    assert len(senders) == len(set(senders))
    # The one under way when the signal came may have been accepted; nobody said it was sent.
    assert settled <= len(senders) <= settled + 1
