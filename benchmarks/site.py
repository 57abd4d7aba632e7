"""A site of the smallest kind: Django, one SMTP account, and mailsetup with one profile.

The profile stands in an SQLite file, as in a new project, with its password sealed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.core.management import call_command

HOST = "127.0.0.1"
# As in config/settings.py.
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}
USERNAME = "shop@example.com"
PASSWORD = "only for the benchmark"


@dataclass(frozen=True)
class Site:
    """What one client process sends by.

    Args:
        port: of the server or the proxy before it.
        database: the SQLite file.
        backend: "mailsetup" or "django".
        secure: STARTTLS and login, rather than neither.
        connections: how many the profile may have at one time.
        log: what the profile has written down of its mails: "off" or "envelope".
    """

    port: int
    database: str
    backend: str = "mailsetup"
    secure: bool = True
    connections: int = 3
    log: str = "off"

    def set_up(self) -> None:
        """Configure Django."""
        configure(
            "mailsetup",
            SQLITE | {"NAME": self.database},
            MAILSETUP={"MAX_CONNECTIONS": self.connections},
            **self._mail_settings(),
        )

    def _mail_settings(self) -> dict[str, Any]:
        backends = {
            "mailsetup": "mailsetup.backends.EmailBackend",
            "django": "django.core.mail.backends.smtp.EmailBackend",
        }
        backend, options = backends[self.backend], {}
        if self.backend == "django":
            options = {"host": HOST, "port": self.port}
            if self.secure:
                options |= {"username": USERNAME, "password": PASSWORD, "use_tls": True}
        if django.VERSION >= (6, 1):
            return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
        names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
        stock = {f"EMAIL_{names.get(name, name.upper())}": to for name, to in options.items()}
        return {"EMAIL_BACKEND": backend, **stock}

    def save_profile(self) -> None:
        """Store the profile that this site sends by."""
        save_profile(self.port, secure=self.secure, log=self.log)


def configure(app: str, database: dict[str, Any], **more: Any) -> None:
    """Configure a site that has one app besides Django's users.

    Args:
        app: to be installed.
        database: Django's settings of the database.
        more: settings.
    """
    for name in [*os.environ]:
        if name.startswith("MAILSETUP_"):
            del os.environ[name]
    settings.configure(
        SECRET_KEY="only for the benchmark",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", app],
        DATABASES={"default": database},
        **more,
    )
    django.setup()


def save_profile(port: int, *, secure: bool = True, **fields: Any) -> None:
    """Store the only profile, or change it.

    Args:
        port: of the server or the proxy before it.
        secure: STARTTLS and login, rather than neither.
        fields: others of the profile.
    """
    from mailsetup.models import SMTPProfile  # noqa: PLC0415 - once Django is set up

    row = SMTPProfile.objects.filter(slug="benchmark").first()
    row = row or SMTPProfile(slug="benchmark", is_default=True)
    row.name = "Benchmark"
    row.host, row.port = HOST, port
    row.encryption = "starttls" if secure else "none"
    row.login = "password" if secure else "none"
    row.username = USERNAME if secure else ""
    if secure:
        row.set_password(PASSWORD)
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def make_database(path: Path) -> None:
    """Make the tables in an SQLite file."""
    Site(port=1, database=str(path)).set_up()
    call_command("migrate", verbosity=0)


def new_connection() -> Any:
    """Return the default mailer's backend."""
    # Django 6.1 has `mailers`, and warns of the older function.
    return mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()
