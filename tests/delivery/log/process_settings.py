"""Settings of a process that writes its log into an SQLite file of its own."""

import os

from tests.settings import *  # noqa: F403 - these, with another database

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        "OPTIONS": {"timeout": 20},
    }
}
