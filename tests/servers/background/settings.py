"""The example site's settings, with a database of the tests' own, and less patience."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import MAILSETUP, sqlite

DATABASES = {"default": sqlite(Path(os.environ["SITE_DATABASE"]))}
# A mail of which nobody knows whether it arrived waits no minute before it goes again.
MAILSETUP = MAILSETUP | {"SWEEP_SECONDS": 1, "RETRY_DELAYS": [1]}
