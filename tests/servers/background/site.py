"""Starts the processes of a site that sends in the background, and reads its table."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

from tests.backend_servers import Server
from tests.servers.process import Child, free_ports, wait_for

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


class Site:
    """One site: its settings by environment, its database, and its processes.

    Args:
        directory: where its database and the processes' output are.
        engine: for ``MAIL_ENGINE``.
        server: where its mails go.
        environment: more variables.
    """

    def __init__(self, directory: Path, engine: str, server: Server, **environment: str) -> None:
        self.directory = directory
        self.database = directory / "site.sqlite3"
        self.server = server
        self.environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "DJANGO_SETTINGS_MODULE": "tests.servers.background.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "only for the tests",
            "ALLOWED_HOSTS": "127.0.0.1",
            "HTTPS": "off",
            "PYTHONUNBUFFERED": "1",
            "SITE_DATABASE": str(self.database),
            "MAIL_ENGINE": engine,
            "MAILSETUP_DEFAULT_HOST": server.host,
            "MAILSETUP_DEFAULT_PORT": str(server.port),
            "MAILSETUP_DEFAULT_ENCRYPTION": "none",
            "MAILSETUP_DEFAULT_LOGIN": "none",
            "MAILSETUP_DEFAULT_FROM_EMAIL": "shop@example.com",
            "MAILSETUP_DEFAULT_SENDING": "background",
            "MAILSETUP_DEFAULT_ON_AMBIGUOUS": "resend",
        } | environment
        self._children = ExitStack()
        self._started = 0

    def __enter__(self) -> Self:
        try:
            self.run("manage.py", "migrate", "--verbosity", "0")
        except BaseException:
            self._children.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._children.close()

    def run(self, *words: str) -> str:
        """Run a Python program to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str, ports: tuple[int, ...] = ()) -> Child:
        """Start a Python program that is ended with the site."""
        self._started += 1
        log = self.directory / f"{self._started}.log"
        child = Child(
            [sys.executable, *words], ports=ports, log=log, cwd=ROOT, env=self.environment
        )
        return self._children.enter_context(child)

    def kill(self, child: Child) -> None:
        """End a process and its children by SIGKILL; then the server goes on."""
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait(PATIENCE)
        self.server.most = None

    # What is seen

    def rows(self, query: str) -> list[tuple]:
        """Return rows of the site's database."""
        with closing(sqlite3.connect(self.database, timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def states(self) -> Counter[str]:
        """Return how many messages are in each state."""
        return Counter(state for (state,) in self.rows("SELECT state FROM mailsetup_message"))

    def wait_for_mails(self, count: int) -> None:
        """Wait until the server has accepted that many."""
        wait_for(
            lambda: len(self.server.mails) >= count,
            seconds=PATIENCE,
            what=f"{count} mails at the server",
        )

    def wait_until_all_are_sent(self, count: int) -> None:
        """Wait until the table says of each message that it was sent."""
        wait_for(
            lambda: self.states() == {"sent": count},
            seconds=PATIENCE,
            what=f"{count} messages to be sent",
        )

    def assert_nothing_lost(self, count: int) -> None:
        """Compare the table with what the server accepted.

        A mail came twice only if the table says that nobody knew whether it had arrived.
        """
        stored = {row[0] for row in self.rows("SELECT message_id FROM mailsetup_message")}
        accepted = Counter(mail.parsed["Message-ID"] for mail in self.server.mails)
        assert len(stored) == count
        assert stored == {*accepted}
        doubtful = self.rows(
            "SELECT m.message_id FROM mailsetup_message m JOIN mailsetup_attempt a "
            "ON a.message_id = m.id WHERE a.outcome = 'ambiguous'"
        )
        twice = {message_id for message_id, times in accepted.items() if times > 1}
        assert twice <= {message_id for (message_id,) in doubtful}


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    (port,) = free_ports(1)
    return port
