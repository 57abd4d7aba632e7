"""The site-wide settings of mailsetup, read each time they are asked for.

Two places, in this order: the site's settings module (``MAILSETUP_KEYS`` and the dictionary
``MAILSETUP``) and, for the keys only, the environment. Nothing is read at import time.
"""

import os
from typing import Any

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    # Seconds during which a profile is taken from memory without asking the database whether it
    # was edited. Another process's edit takes effect within this time.
    "PROBE_SECONDS": 0.25,
    # Connections of one profile at one time, in each process. Where the provider allows fewer,
    # its number counts.
    "MAX_CONNECTIONS": 3,
    # How many test mails and connection checks one user, and all users of the site together, may
    # start within TEST_WINDOW seconds.
    "TEST_LIMIT": 10,
    "TEST_LIMIT_SITE": 30,
    "TEST_WINDOW": 60,
    # Seconds that values typed in the form, and not saved, stay available to the test page.
    "DRAFT_SECONDS": 600,
    # Octets of sealed content up to which it stands in the message's row; larger ones are files.
    "CONTENT_INLINE": 65_536,
    # The folder of those files; None for ``mailsetup-content`` beside the site's code. A storage
    # named "mailsetup" in STORAGES comes first.
    "CONTENT_DIR": None,
    # Seconds to wait after each failed attempt, the last one repeated, and after which time a
    # message that cannot be delivered has failed.
    "RETRY_DELAYS": [60, 300, 900, 1800, 3600, 7200, 14_400],
    "GIVE_UP_AFTER": 4 * 24 * 3600,
    # Apps, by label, whose messages go before or after the others.
    "PRIORITIES": {"auth": "high"},
    # Entries of the mail log that wait in memory, at most, for the database to take them.
    "LOG_QUEUE": 1000,
    # Days that the log keeps a message, and its content where contents are kept; how many settled
    # messages, and how many octets of contents, at most. None is no limit.
    "LOG_DAYS": 90,
    "CONTENT_DAYS": 30,
    "LOG_ROWS": None,
    "CONTENT_BYTES": None,
    # Seconds that a worker's claim on a message holds at least, unless it is renewed; longer where
    # the profile's timeout lets an attempt take longer.
    "CLAIM_SECONDS": 60,
    # Seconds after which a worker looks for what is more urgent.
    "BATCH_SECONDS": 2.0,
    # Who works on mails in the background: "inline", "worker", "tasks", "celery", or the dotted
    # path of a callable that is given primary keys.
    "ENGINE": "inline",
    # Threads of each process that deliver, with the engine "inline".
    "INLINE_THREADS": 2,
    # Seconds between two sweeps, by whichever process has the turn.
    "SWEEP_SECONDS": 30,
    # Where the engine "tasks" puts its tasks: a name of TASKS, and one of its queues.
    "TASKS_BACKEND": "default",
    "TASKS_QUEUE": "default",
}


def option(name: str) -> Any:
    """Return one value of the ``MAILSETUP`` dictionary, or its default.

    Raises:
        KeyError: for a name that is not in :data:`DEFAULTS`.
    """
    given = getattr(settings, "MAILSETUP", {})
    # What is no dictionary is told by a check (E005).
    return given.get(name, DEFAULTS[name]) if isinstance(given, dict) else DEFAULTS[name]


def configured_keys() -> list[str]:
    """Return the Fernet keys that the operator set, the encrypting one first; often empty."""
    keys = getattr(settings, "MAILSETUP_KEYS", None)
    if keys is None:
        keys = os.environ.get("MAILSETUP_KEYS", "")
    if isinstance(keys, str):
        keys = keys.replace(",", " ").split()
    return [key.strip() for key in keys if key.strip()]


def secret_keys() -> list[str]:
    """Return ``SECRET_KEY`` and its fallbacks, from which keys are derived by default."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
