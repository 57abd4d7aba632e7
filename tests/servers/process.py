"""Starts a mail server as a child of the tests and stops exactly that child.

Each server lives in a directory of its own under the system's temporary directory, with its own
configuration, queue and log: a mail server that this machine already runs is not touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0


class ServerError(RuntimeError):
    """A mail server did not start; the text carries the end of its log."""


def free_ports(count: int) -> list[int]:
    """Return that many different TCP ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def server_directory(name: str) -> Iterator[Path]:
    """Yield a directory that the server's own system user can walk into; it is removed at the end.

    pytest's temporary directories are closed to other users, and their paths are too long for a
    Unix socket (108 bytes).
    """
    path = Path(tempfile.mkdtemp(prefix=f"mailsetup-{name}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def wait_for(condition, *, seconds: float, what: str) -> None:
    """Call `condition` until it is true, at most that many seconds; AssertionError after."""
    end = time.monotonic() + seconds
    pause = 0.005
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"Waited {seconds:.0f} s in vain: {what}.")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True


class Child:
    """One server process in the foreground, with the ports it is to listen on and its log file."""

    def __init__(
        self,
        argv: Iterable[str | Path],
        *,
        ports: Iterable[int],
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.cwd = cwd
        self.env = env or {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        self.ports = list(ports)
        self.log_path = log
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log_path.open("ab") as log:
            # Its own session: a Ctrl-C at the tests must not reach it before the fixtures end.
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.cwd,
                env=self.env,
            )
        try:
            wait_for(self._up, seconds=START_SECONDS, what=f"start of {self.argv[0]}")
        except AssertionError as error:
            self.stop()
            raise ServerError(f"{error}\n{self.log()[-4000:]}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def _up(self) -> bool:
        if self.process.poll() is not None:
            raise ServerError(
                f"{self.argv[0]} ended with status {self.process.returncode}:\n{self.log()[-4000:]}"
            )
        return all(_listens(port) for port in self.ports)

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process started here, and what it started in its turn; safe to call again."""
        if self.process is None:
            return
        group = self.process.pid  # a session leader's group has its number
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)
        self.process = None

    def log(self) -> str:
        """Return what the server wrote so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
