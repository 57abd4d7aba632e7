"""Starts gunicorn for the tests, drives it with many clients at once, and stops what it started."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.backend_servers import HOST

ROOT = Path(__file__).parents[2]
# What no step of these tests comes near on a machine that works.
PATIENCE = 60


class NoAnswerError(Exception):
    """The site did not answer a request: it has stopped, or stops."""


@dataclass
class Gunicorn:
    """A running gunicorn."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Ask for a page."""
        return self._ask("GET", f"{path}?{urlencode(query)}", None)

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """Send a form."""
        return self._ask("POST", path, urlencode(fields))

    def _ask(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        client = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            client.request(method, path, body, headers)
            answer = client.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(str(error)) from error
        finally:
            client.close()
        assert status == 200, f"{path}: {status}\n{self.log}"
        return json.loads(text)

    def stop(self) -> int:
        """Ask the master to stop gracefully; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(directory: Path, *, workers: int, **environment: str) -> Iterator[Gunicorn]:
    """Run the site with that many workers and these environment variables."""
    log_path = directory / "gunicorn.log"
    environment |= {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "DJANGO_SETTINGS_MODULE": "tests.processes.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for the tests",
        "ALLOWED_HOSTS": HOST,
        "SITE_DATABASE": str(directory / "site.sqlite3"),
        "SITE_WORKERS": str(workers),
    }
    # Its own session: what is left of it at the end can be ended as one group.
    with socket.create_server((HOST, 0), backlog=256) as listener, log_path.open("wb") as log:
        port = listener.getsockname()[1]
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "default", "-m", "gunicorn"),
                *("--bind", f"fd://{descriptor}"),
                *("--config", "python:tests.processes.gunicorn_conf"),
            ],
            cwd=ROOT,
            env=environment,
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Gunicorn(process, port, log_path)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def at_once(clients: int, work: Callable[[int], None]) -> None:
    """Run *work* in that many threads, with the thread's number, and raise the first error."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def smtp_sockets(pid: int, port: int) -> set[str]:
    """Return the sockets that a process holds to that SMTP port, by the names Linux gives them."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held.add(str(link.readlink()))
    connected = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) == port:
            connected.add(f"socket:[{fields[9]}]")
    return held & connected
