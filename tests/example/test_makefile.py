"""The Makefile where something is missing: a sentence that helps, and no half-made state."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="needs make")


@pytest.fixture
def tools(tmp_path):
    """Return a directory of programs that holds no Python."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sh", "rm", "touch", "mkdir", "cat"):
        (directory / name).symlink_to(shutil.which(name))
    return directory


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def make(tools: Path, venv: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [MAKE, *arguments, f"VENV={venv}"],
        cwd=ROOT,
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_make_alone_lists_what_there_is(tools, tmp_path):
    result = make(tools, tmp_path / "venv")
    assert result.returncode == 0
    for target in ("demo", "test", "check", "format", "messages"):
        assert f"make {target} " in result.stdout


def test_no_python_is_told_with_what_to_do(tools, tmp_path):
    result = make(tools, tmp_path / "venv", "demo")
    assert result.returncode != 0
    assert "No Python 3.11 or newer was found" in result.stdout
    assert not (tmp_path / "venv").exists()


def test_old_python_is_passed_over(tools, tmp_path):
    program(tools / "python3", "exit 1")
    result = make(tools, tmp_path / "venv", "demo")
    assert "No Python 3.11 or newer was found" in result.stdout


def test_python_without_venv_is_told_with_the_package_to_install(tools, tmp_path):
    program(
        tools / "python3", 'case "$2" in *ensurepip*) exit 1;; esac; [ "$1" = -V ] && echo Py; true'
    )
    result = make(tools, tmp_path / "venv", "demo")
    assert result.returncode != 0
    assert "apt install python3-venv" in result.stdout


def test_failing_pip_is_told_and_tried_again_next_time(tools, tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "venv.stamp").touch()
    program(venv / "bin" / "python", "echo no network >&2; exit 1")
    for _ in range(2):
        result = make(tools, venv, "demo")
        assert result.returncode != 0
        assert "pip could not install the requirements" in result.stdout
        assert "no network" in result.stderr


def test_second_run_installs_nothing(tools, tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "venv.stamp").touch()
    program(venv / "bin" / "python", 'echo "ran: $*"')
    first, second = (make(tools, venv, "demo", "ARGS=--port 9000") for _ in range(2))
    assert "Installing" in first.stdout
    assert second.stdout.strip() == "ran: manage.py demo --port 9000"
