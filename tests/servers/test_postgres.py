"""The mail log on a PostgreSQL server, as its tests are on SQLite; in a process of its own."""

import os
import subprocess
import sys

import pytest

from benchmarks.postgres import Postgres, programs
from tests.example.test_demo import ROOT

TESTS = ("test_log_postgres", "test_log_list", "test_log_actions", "test_trouble")


def test_log_is_searched_and_listed_on_postgresql():
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    with Postgres() as server:
        server.database("mails")
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        done = subprocess.run(
            [
                *(sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *(f"tests/admin/{name}.py" for name in TESTS),
            ],
            cwd=ROOT,
            env=kept
            | {"DATABASE_URL": "postgres:///mails"}
            | {"PGHOST": str(server.home), "PGUSER": server.user},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-4000:]
