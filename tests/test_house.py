"""The rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES = 400
BINARY = {".gif", ".ico", ".jpg", ".mo", ".png", ".webp", ".woff2"}

# Traces of one computer: paths of its users, and hosts that stand in for the public registries.
MACHINE = re.compile(
    r"/(?:root|work|home/\w+|Users/\w+)/"
    r"|\b[A-Z]:\\Users\\"
    r"|\b(?:artifactory|devpi|goproxy|verdaccio)\b"
    r"|\bregistry\.[\w-]+\.\w+"
    r"|--(?:extra-)?index-url"
)
CHECK_ID = re.compile(r"mailsetup\.[EW]\d{3}")


@cache
def tracked() -> tuple[Path, ...]:
    """Return the files under version control that are there."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("This is no git checkout.")
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_imports_go_downward_only():
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", linter, "--no-cache", "--no-logo"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_names_the_machine_it_was_written_on():
    found = []
    for path in tracked():
        if path.suffix in BINARY or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{relative(path)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line", ["cd /root/x", "in /home/ann/site", "https://registry.example.com/x", "--index-url x"]
)
def test_traces_of_a_machine_are_recognised(line):
    assert MACHINE.search(line)


def test_python_files_stay_short():
    lengths = {relative(path): len(path.read_text().splitlines()) for path in python_files()}
    long = {name: n for name, n in lengths.items() if n > MOST_LINES and "/migrations/" not in name}
    assert not long


def catalogues() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".po"]


def test_translations_are_complete():
    polib = pytest.importorskip("polib")
    unfinished = [
        f"{relative(path)}: {entry.msgid!r}"
        for path in catalogues()
        for entry in polib.pofile(str(path))
        if not entry.obsolete and (entry.fuzzy or not entry.translated())
    ]
    assert catalogues()
    assert not unfinished, "\n".join(unfinished)


def test_compiled_translations_are_up_to_date():
    polib = pytest.importorskip("polib")

    def texts(catalogue) -> dict[tuple[str | None, str], object]:
        return {
            (entry.msgctxt, entry.msgid): entry.msgstr_plural or entry.msgstr
            for entry in catalogue
            if not entry.obsolete
        }

    for path in catalogues():
        compiled = path.with_suffix(".mo")
        assert compiled in tracked(), f"{relative(compiled)} is missing: make messages"
        assert texts(polib.mofile(str(compiled))) == texts(polib.pofile(str(path))), relative(path)


def test_each_check_has_its_heading_in_the_docs():
    raised = {
        found
        for path in python_files()
        if path.is_relative_to(ROOT / "mailsetup")
        for found in CHECK_ID.findall(path.read_text())
    }
    headings = [
        line
        for path in tracked()
        if path.is_relative_to(ROOT / "docs") and path.suffix == ".md"
        for line in path.read_text().splitlines()
        if line.startswith("#")
    ]
    explained = set(CHECK_ID.findall("\n".join(headings)))
    assert raised
    assert raised == explained
