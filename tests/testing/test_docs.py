"""The examples of ``docs/testing.md`` pass as an app's tests, and its tables name what there is."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

from mailsetup import testing
from mailsetup.testing import MailServer, use_mailsetup

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def names(heading):
    """Return the names that the first column of a section's table has."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)", cell)}


def test_examples_pass_as_tests(tmp_path):
    blocks = re.findall(r"(?ms)^```python\n(.+?)^```$", PAGE)
    for number, text in enumerate(blocks):
        (tmp_path / f"test_example_{number}.py").write_text(text, encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", "--rootdir", str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    tests = sum(len(re.findall(r"def test_", text)) for text in blocks)
    assert tests >= 6
    assert f"\n{tests} passed" in done.stdout, done.stdout + done.stderr


def test_each_function_is_in_the_table():
    functions = {name for name in testing.__all__ if inspect.isfunction(getattr(testing, name))}
    assert names("Functions") == functions - {"use_mailsetup"}


def test_each_part_of_the_server_is_in_the_table():
    with MailServer() as server:
        assert names("The server") == {name for name in dir(server) if not name.startswith("_")}


def test_each_argument_is_in_the_table():
    named = {
        name
        for name, parameter in inspect.signature(use_mailsetup).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert names("`use_mailsetup`") == named
