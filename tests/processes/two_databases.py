"""A site that keeps the app's tables in a database of their own, driven from one script.

    python -m tests.processes.two_databases HOST PORT

sends mail in every way, opens the admin's pages, and prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

for _name in [*os.environ]:
    if _name.startswith("MAILSETUP_"):
        del os.environ[_name]
os.environ |= {"ENV_FILE": os.devnull, "SECRET_KEY": "only for the tests", "HTTPS": "off"}

from config.settings import *  # noqa: E402, F403 - the environment above must be there first
from config.settings import sqlite  # noqa: E402

_folder = Path(os.environ["TWO_DATABASES"])
DATABASES = {name: sqlite(_folder / f"{name}.sqlite3") for name in ("default", "mail")}
DATABASE_ROUTERS = [f"{__package__}.two_databases.Elsewhere"]
MAILSETUP = {"CONTENT_DIR": _folder / "content", "ENGINE": "worker"}
ADMINS: list[str] = []
ALLOWED_HOSTS = ["testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


class Elsewhere:
    """What the documentation shows: one app's tables in a database of their own."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "mail" if model._meta.app_label == "mailsetup" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "mail") == (app_label == "mailsetup")


def _send(host: str, port: int) -> None:
    from django.core.mail import send_mail
    from django.core.management import call_command
    from django.db import transaction

    from mailsetup.backends import EmailBackend
    from mailsetup.delivery.log.logbook import logbook
    from mailsetup.models import SMTPProfile

    profile = SMTPProfile(
        slug="shop",
        host=host,
        port=port,
        encryption="none",
        login="none",
        from_email="shop@example.com",
        log="content",
        is_default=True,
    )
    profile.save()
    people = ("shop@example.com", ["an@example.com"])
    send_mail("at once", "text", *people)
    assert logbook.flush()
    later = EmailBackend(background=True)
    with transaction.atomic():
        send_mail("stored", "text", *people, connection=later)
    with transaction.atomic(using="mail"):
        send_mail("taken back", "text", *people, connection=later)
        transaction.set_rollback(True, using="mail")
    call_command("mailsetup_worker", "--drain", verbosity=0)
    call_command("mailsetup_sweep", verbosity=0)


def _pages() -> dict[str, int]:
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    from mailsetup.models import Message, SMTPProfile

    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    message, profile = Message.objects.latest("pk"), SMTPProfile.objects.get()
    pages = {
        "index": reverse("admin:index"),
        "log": reverse("admin:mailsetup_message_changelist"),
        "search": reverse("admin:mailsetup_message_changelist") + "?q=an@example.com",
        "mail": reverse("admin:mailsetup_message_change", args=[message.pk]),
        "profiles": reverse("admin:mailsetup_smtpprofile_changelist"),
        "profile": reverse("admin:mailsetup_smtpprofile_change", args=[profile.pk]),
        "new profile": reverse("admin:mailsetup_smtpprofile_add"),
    }
    return {name: client.get(url).status_code for name, url in pages.items()}


def _tables(database: str) -> list[str]:
    from django.db import connections

    names = connections[database].introspection.table_names()
    return sorted(name for name in names if name.startswith("mailsetup_"))


def main() -> None:
    """Do all of it in two new databases."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = f"{__package__}.two_databases"
    django.setup()
    from django.core.management import call_command

    from mailsetup.models import Message

    for database in DATABASES:
        call_command("migrate", database=database, verbosity=0)
    call_command("check", verbosity=0)
    _send(sys.argv[1], int(sys.argv[2]))
    states = Message.objects.order_by("pk").values_list("subject", "state")
    found = {
        "tables": _tables("default"),
        "states": dict(states),
        "pages": _pages(),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
