"""The settings of the test suite: the example site's, without this computer's ``.env``."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

for _name in [*os.environ]:
    if _name.startswith("MAILSETUP_"):
        del os.environ[_name]
os.environ |= {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "only for the tests",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "ADMINS": "Ann Example <ann@example.com>",
    "SHOP_EMAIL": "shop@example.com",
    "HTTPS": "off",
    # Nothing works on mails by itself: a test that wants an engine starts one.
    "MAIL_ENGINE": "worker",
}

from config.settings import *  # noqa: E402, F403 - the environment above must be there first
from config.settings import DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if "sqlite" in DATABASES["default"]["ENGINE"]:
    # A file, not memory: threads of a test meet the locks of a real site. One for each run, so
    # that two runs on one computer do not meet.
    _directory = tempfile.mkdtemp(prefix="mailsetup-tests-")
    atexit.register(shutil.rmtree, _directory, ignore_errors=True)
    DATABASES["default"]["TEST"] = {"NAME": Path(_directory) / "test.sqlite3"}
