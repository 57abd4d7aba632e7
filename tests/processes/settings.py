"""The example site's settings, with a database and a page of these tests' own."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import sqlite

DATABASES = {"default": sqlite(Path(os.environ["SITE_DATABASE"]))}
INSTALLED_APPS = ["mailsetup"]
MIDDLEWARE = []
ROOT_URLCONF = "tests.processes.site"
