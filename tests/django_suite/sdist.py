"""Django's own tests: in its source distribution, not in the installed package."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

CACHE = Path(__file__).parents[2] / ".cache/django-sdist"
DOWNLOAD_SECONDS = 300


class DownloadError(RuntimeError):
    """The source distribution could not be fetched; the text says why."""


def django_tests() -> Path:
    """Return the directory `tests` of the installed Django's source, downloading it once."""
    name = f"django-{django.__version__}"
    target = CACHE / name
    if not target.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as directory:
            _download(Path(directory))
            (archive,) = Path(directory).glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                members = [m for m in tar if m.name.startswith(f"{name}/tests/mail/")]
                tar.extractall(directory, members, filter="data")
            (Path(directory) / name).rename(target)
    return target / "tests"


def _download(directory: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "Django", "--dest", str(directory), f"Django=={django.__version__}"]
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.splitlines()
        raise DownloadError(
            next((x for x in lines if x.startswith("ERROR")), "pip failed")
        ) from None
    except subprocess.TimeoutExpired:
        raise DownloadError(f"no answer within {DOWNLOAD_SECONDS} s") from None
