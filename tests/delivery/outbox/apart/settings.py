"""The settings of these programs: the example site's, its database and contents in a folder."""

import os
from pathlib import Path

from tests.processes.settings import *  # noqa: F403

MAILSETUP = {"ENGINE": "worker", "CONTENT_DIR": Path(os.environ["SITE_CONTENT"])}
ADMINS = []
