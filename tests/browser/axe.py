"""axe-core, the checker of accessibility: fetched with npm once, and run in a page.

Kept in ``.cache``, beside the other things that tests fetch; it is no part of the project.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.window import Window

VERSION = "4.14.1"
CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / f"axe-core-{VERSION}"
WIDTHS = (320, 768, 1600)
SCHEMES = ("light", "dark")

# The rules that are law, without axe-core's advice for pages of a site: a mail has no landmarks.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

RUN = """async (tags) => {
    document.getAnimations().forEach((each) => each.finish());
    const options = { resultTypes: ["violations"], ...(tags.length ? { runOnly: tags } : {}) };
    const found = await axe.run(document, options);
    return found.violations.flatMap((rule) =>
        rule.nodes.map((node) => [rule.id, node.html])
    );
}"""


def source() -> str:
    """Return axe-core's code, fetching it where it is not there yet; skip where that fails."""
    file = CACHE / "axe.min.js"
    if not file.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, and axe-core is fetched with it: apt install npm")
        CACHE.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
            fetched = subprocess.run(
                [npm, "pack", f"axe-core@{VERSION}", "--pack-destination", folder],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if fetched.returncode:
                pytest.skip(f"npm could not fetch axe-core: {fetched.stderr[-400:]}")
            with tarfile.open(Path(folder) / f"axe-core-{VERSION}.tgz") as package:
                package.extract("package/axe.min.js", folder, filter="data")
            CACHE.mkdir(exist_ok=True)
            (Path(folder) / "package" / "axe.min.js").replace(file)
    return file.read_text(encoding="utf-8")


def looks(
    window: Window, widths: Sequence[int] = WIDTHS, schemes: Sequence[str] = SCHEMES
) -> Iterator[str]:
    """Show a page in each width and colour scheme, one after the other."""
    for width in widths:
        window.page.set_viewport_size({"width": width, "height": 900})
        for scheme in schemes:
            window.page.emulate_media(color_scheme=scheme)
            yield f"{width} px, {scheme}"


def violations(window: Window, code: str, tags: Sequence[str] = ()) -> set[tuple[str, str]]:
    """Return the rules that a page breaks as it looks now, each with the element that does.

    Args:
        code: axe-core, from :func:`source`.
        tags: the rules to look at; without any, all.
    """
    if not window.page.evaluate("typeof axe !== 'undefined'"):
        window.page.evaluate(code)
    return {(rule, html) for rule, html in window.page.evaluate(RUN, list(tags))}


def overflow(window: Window) -> int:
    """Return by how many pixels a page is wider than its window."""
    return window.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
