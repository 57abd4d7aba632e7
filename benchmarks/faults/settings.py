"""The example site's settings, with the database of a run."""

import json
import os
from pathlib import Path

for _name in [*os.environ]:
    if _name.startswith("MAILSETUP_"):
        del os.environ[_name]
os.environ |= {"ENV_FILE": os.devnull, "SECRET_KEY": "only for the faults", "HTTPS": "off"}

from config.settings import *  # noqa: E402, F403 - the environment above must be there first
from config.settings import sqlite  # noqa: E402

_folder = Path(os.environ["FAULTS_FOLDER"])
_postgresql = os.environ.get("FAULTS_POSTGRESQL")
DATABASES = {
    "default": json.loads(_postgresql) if _postgresql else sqlite(_folder / "site.sqlite3")
}
# Beside what ships: where files go, and that nobody but the workers delivers.
MAILSETUP = {"CONTENT_DIR": _folder / "content", "ENGINE": "worker"}
if os.environ.get("FAULTS_QUICK"):
    # So that the end does not wait a minute and more for what is sent again.
    MAILSETUP |= {"RETRY_DELAYS": [3], "SWEEP_SECONDS": 5}
ADMINS = []
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
