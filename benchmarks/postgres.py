"""A PostgreSQL server for one run: a folder of its own, a Unix socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .service import ServiceError

# It refuses to run as root.
USER = "postgres"
START_SECONDS = 30.0


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    path = shutil.which("postgres")
    if found:
        return found[-1].parent
    return Path(path).resolve().parent if path else None


class Postgres(AbstractContextManager["Postgres"]):
    """A new, empty server with the settings it comes with; each write is flushed to disk.

    Raises:
        ServiceError: it did not start.
    """

    def __init__(self) -> None:
        folder = programs()
        if folder is None:
            raise ServiceError("PostgreSQL is not installed (Debian: apt install postgresql).")
        self._folder = folder
        self.home = Path(tempfile.mkdtemp(prefix="mailsetup-postgresql-"))
        is_root = os.geteuid() == 0
        self._as: dict[str, Any] = {"cwd": self.home, "stdout": subprocess.DEVNULL}
        self._as |= {"stderr": subprocess.DEVNULL}
        if is_root:
            shutil.chown(self.home, USER, USER)
            self._as |= {"user": USER, "group": USER, "extra_groups": []}
        self.user = USER if is_root else pwd.getpwuid(os.geteuid()).pw_name
        data = self.home / "data"
        subprocess.run(
            [folder / "initdb", "-D", data, "-U", self.user, "-A", "trust", "-E", "UTF8"],
            check=True,
            **self._as,
        )
        self._server = subprocess.Popen(
            [folder / "postgres", "-D", data, "-k", self.home, "-c", "listen_addresses="],
            **self._as,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise

    def database(self, name: str) -> dict[str, Any]:
        """Make a database and return Django's settings for it."""
        command = [self._folder / "createdb", "-h", self.home, "-U", self.user, name]
        subprocess.run(command, check=True, **self._as)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": self.user,
            "HOST": str(self.home),
        }

    def _wait(self) -> None:
        command = [self._folder / "pg_isready", "-h", self.home, "-q"]
        until = time.monotonic() + START_SECONDS
        while subprocess.run(command, check=False).returncode:
            if time.monotonic() > until or self._server.poll() is not None:
                raise ServiceError("PostgreSQL did not start.")
            time.sleep(0.1)

    def __exit__(self, *error: object) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(START_SECONDS)
        shutil.rmtree(self.home, ignore_errors=True)
