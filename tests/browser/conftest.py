"""A real browser, and a demo to visit with it.

The browser belongs to this package and not to the whole run: while Playwright's event loop is open,
Django refuses its database to the thread of the tests, which other rooms need.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import Site
from tests.browser.window import Window, windows

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this directory."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed: apt install chromium")
    with playwright.sync_playwright() as driver:
        # Python's development mode has the loop note a stack for each step: half of the time.
        asyncio.get_running_loop().set_debug(False)
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A demo, as ``make demo`` starts it."""
    site = Site(tmp_path_factory.mktemp("browser") / "demo")
    yield site
    site.stop()


@pytest.fixture
def site(demo: Site) -> Site:
    """The demo at its beginning: no profile, no mail."""
    demo.clear()
    return demo


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Callable[..., Window]]:
    """Open windows; at the end, look at what went on around them."""
    with windows(chromium, site) as open_window:
        yield open_window
