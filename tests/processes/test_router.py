"""The app's tables in a database of their own, as a router puts them there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.backend_servers import serve

ROOT = Path(__file__).parents[2]


def test_app_lives_in_a_database_of_its_own(authority, tmp_path):
    running = serve(authority, "none")
    server = next(running)
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"{__package__}.two_databases", "127.0.0.1", str(server.port)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TWO_DATABASES": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        arrived = sorted(mail.parsed["Subject"] for mail in server.mails)
    finally:
        running.close()
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert arrived == ["at once", "stored"]
    assert found["states"] == {"at once": "sent", "stored": "sent"}
    assert found["tables"] == []
    assert set(found["pages"].values()) == {200}, found["pages"]
