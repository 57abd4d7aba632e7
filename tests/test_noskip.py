"""CI_NO_SKIP=1 makes a skip a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_in_the_test(): pytest.skip("no Postfix here")

@pytest.fixture
def absent(): pytest.skip("no Exim here")

def test_in_a_fixture(absent): pass

@pytest.mark.skip(reason="later")
def test_by_a_mark(): pass

@pytest.mark.skipif(True, reason="needs Django 7.0")
def test_of_another_version(): pass

@pytest.mark.xfail(strict=True)
def test_known_to_fail(): raise ValueError
"""
MODULE = "import pytest; pytest.importorskip('no_such_module')"


@pytest.mark.parametrize(
    ("forbidden", "outcome"),
    [("1", "1 failed, 1 skipped, 1 xfailed, 3 errors"), ("0", "5 skipped, 1 xfailed")],
)
def test_a_skip_fails_where_skipping_is_forbidden(tmp_path, forbidden, outcome):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(MODULE)
    options = ["-p", "tests.noskip", "-p", "no:cacheprovider", "-p", "no:django", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--continue-on-collection-errors", tmp_path],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"CI_NO_SKIP": forbidden, "PYTEST_ADDOPTS": "", "NO_COLOR": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert outcome in done.stdout.splitlines()[-1], done.stdout + done.stderr
    assert ("no Postfix here" in done.stdout) == (forbidden == "1")
