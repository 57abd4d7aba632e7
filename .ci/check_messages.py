"""Fail where `make messages` would collect a text that the catalogues do not have, or drop one.

Needs GNU gettext. The catalogues are put back as they were.

    python .ci/check_messages.py VENV
"""

import subprocess
import sys
from pathlib import Path

import polib

ROOT = Path(__file__).parents[1]


def catalogues() -> dict[Path, bytes]:
    """Return each catalogue, compiled or not, with its content."""
    paths = (p for top in ("mailsetup", "config") for p in (ROOT / top).rglob("*.[pm]o"))
    return {path: path.read_bytes() for path in paths}


def texts(content: bytes) -> set[tuple[str | None, str]]:
    """Return the texts a catalogue translates."""
    entries = polib.pofile(content.decode())
    return {(entry.msgctxt, entry.msgid) for entry in entries if not entry.obsolete}


def main(venv: str) -> str | None:
    """Return what is wrong, or None."""
    before = catalogues()
    try:
        subprocess.run(["make", "messages", f"VENV={venv}"], cwd=ROOT, check=True)
        after = catalogues()
    finally:
        for path in set(catalogues()) - set(before):
            path.unlink()
        for path, content in before.items():
            path.write_bytes(content)
    for path, content in after.items():
        if path.suffix == ".po":
            old, new = texts(before.get(path, b"")), texts(content)
            if old != new:
                first = ", ".join(sorted(repr(text) for _, text in old ^ new)[:5])
                return (
                    f"{path.relative_to(ROOT)} is behind the source: {len(new - old)} texts are "
                    f"new, {len(old - new)} gone ({first} …). Run make messages."
                )
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
