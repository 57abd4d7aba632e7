"""Fail where a file of the package is missing from the wheel that pip builds."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> str | None:
    """Return what is wrong, or None."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "mailsetup"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    with tempfile.TemporaryDirectory() as directory:
        # From a copy: setuptools leaves a build directory behind, and would take files from it.
        copy = Path(directory) / "copy"
        subprocess.run(
            ["git", "-c", "safe.directory=*", "checkout-index", "-a", f"--prefix={copy}/"],
            cwd=ROOT,
            check=True,
        )
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--wheel-dir", directory, str(copy)], check=True)
        (wheel,) = Path(directory).glob("*.whl")
        missing = set(listed.stdout.splitlines()) - set(zipfile.ZipFile(wheel).namelist())
    if missing:
        return f"These files are missing from {wheel.name}: {', '.join(sorted(missing))}"
    print(f"{wheel.name} has all {len(listed.stdout.splitlines())} files of the package.")
    return None


if __name__ == "__main__":
    sys.exit(main())
