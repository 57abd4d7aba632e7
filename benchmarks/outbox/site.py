"""A site of the smallest kind for each of those compared; all send in the background."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command

from benchmarks.site import HOST, PASSWORD, USERNAME, configure, save_profile

_APPS = {"ours": "mailsetup", "post_office": "post_office", "mailer": "mailer"}
_BACKENDS = {
    "ours": "mailsetup.backends.EmailBackend",
    "post_office": "post_office.EmailBackend",
    "mailer": "mailer.backend.DbBackend",
}


@dataclass(frozen=True)
class Site:
    """What the processes of one side run.

    Args:
        peer: "ours", "post_office" or "mailer".
        port: of the server or the proxy before it.
        database: Django's settings of the database.
        connections: how many our worker may use; those of the others are as they ship.
        in_flight: contents that may be under way over one of our connections at once.
    """

    peer: str
    port: int
    database: dict[str, Any]
    connections: int
    in_flight: int

    def set_up(self) -> None:
        """Configure Django."""
        configure(
            _APPS[self.peer],
            self.database,
            TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
            EMAIL_BACKEND=_BACKENDS[self.peer],
            EMAIL_HOST=HOST,
            EMAIL_PORT=self.port,
            EMAIL_HOST_USER=USERNAME,
            EMAIL_HOST_PASSWORD=PASSWORD,
            EMAIL_USE_TLS=True,
            MAILSETUP={"ENGINE": "worker", "MAX_CONNECTIONS": self.connections},
            MAILER_LOCK_PATH=_lock(),
            LOGGING={
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"none": {"class": "logging.NullHandler"}},
                "loggers": {"post_office": {"handlers": ["none"], "level": "INFO"}},
            },
        )

    def fill(self) -> None:
        """Make the tables and, for ours, the profile: in one process of the side only."""
        call_command("migrate", verbosity=0)
        if self.peer == "ours":
            save_profile(self.port, sending="background", in_flight=self.in_flight)

    def work(self) -> None:
        """Send all that waits, by the command that this one's docs name."""
        if self.peer == "ours":
            threads = self.connections
            call_command("mailsetup_worker", drain=True, quiet=True, threads=threads)
        elif self.peer == "post_office":
            call_command("send_queued_mail", lockfile=_lock())
        else:
            call_command("send_mail")


def _lock() -> str:
    # Of this process alone: no two that are compared may keep each other waiting.
    return str(Path(tempfile.gettempdir()) / f"benchmark-{os.getpid()}")
