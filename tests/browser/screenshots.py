"""Takes the README's pictures of the demo: ``python -m tests.browser.screenshots``.

Each page is taken light and dark, 1280 px wide, cut off under what it is about.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import django
from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.site import ADD, PROFILES, Site
from tests.browser.steps import (
    FAILED,
    LOCALES,
    SENT,
    TITLE,
    choose_provider,
    save_account,
    send_form,
    words,
)
from tests.browser.window import Window, windows
from tests.example.test_demo import ROOT

WIDTH = 1280
MARGIN = 24
MAX_BYTES = 250_000
IMAGES = ROOT / "docs" / "images"
LOG = "admin/mailsetup/message/"
# The site takes any port; the mail server's are shown in the pictures, and are the usual ones.
PORTS = ("--port", "0")
FOLD_THE_SIDEBAR = "localStorage.setItem('django.admin.navSidebarIsOpen', 'false')"


def success(window: Window, site: Site, language: str) -> str:
    """Go to the page that says that the mail was sent; return where the picture ends."""
    save_account(window, site, "_savetest")
    window.press("[name=_send]")
    assert window.text(TITLE) == words(SENT, language)
    return "#content-main"


def failure(window: Window, site: Site, language: str) -> str:
    """Go to the page after a login that was refused."""
    save_account(window, site, "_savetest", password="not that one")
    window.press("[name=_send]")
    assert window.text(TITLE) == words(FAILED, language)
    return "#mailsetup-result"


def form(window: Window, site: Site, language: str) -> str:
    """Go to the form, with an account of Gmail typed in."""
    window.goto(ADD)
    choose_provider(window, "gmail")
    window.control("username").fill("may.tea.shop@gmail.com")
    window.control("password").fill("abcd efgh ijkl mnop")
    return "fieldset >> nth=0"


def log(window: Window, site: Site, language: str) -> str:
    """Go to the mail log, after mails of the shop and one that failed."""
    save_account(window, site)
    send_form(window, "order", quantity="3", address="12 Phố Huế")
    send_form(window, "contact", subject="Nước nóng?", message="Xin chào")
    window.goto("password-reset/")
    window.control("email").fill("admin@may-tea.example")
    window.press("main form [type=submit]")
    window.goto(PROFILES)
    window.press("tbody a")
    window.control("password").fill("not that one")
    window.press("[name=_save]")
    send_form(window, "contact", sees="#contact .summary", subject="Giao hàng?", message="Xin chào")
    window.goto(LOG)
    window.page.wait_for_timeout(1000)
    window.goto(LOG)
    return "#result_list"


PICTURES: dict[str, tuple[Callable[[Window, Site, str], str], str]] = {
    "test-success-en": (success, "en"),
    "profile-form-en": (form, "en"),
    "test-failure-en": (failure, "en"),
    "mail-log-en": (log, "en"),
    "test-success-vi": (success, "vi"),
}


def take(window: Window, end: str, path: Path) -> None:
    """Write a picture of the page from its top to the end of one element.

    Args:
        end: a selector of the last element that is shown.
        path: where the picture goes.
    """
    box = window.find(end).bounding_box()
    height = round(box["y"] + box["height"]) + MARGIN
    window.page.screenshot(
        path=path,
        full_page=True,
        animations="disabled",
        clip={"x": 0, "y": 0, "width": WIDTH, "height": height},
    )
    size = path.stat().st_size
    assert size <= MAX_BYTES, f"{path.name} has {size} bytes"
    sys.stdout.write(f"{path.relative_to(ROOT)}: {WIDTH} x {height}, {size // 1000} kB\n")


def main() -> None:
    """Take all pictures."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    IMAGES.mkdir(exist_ok=True)
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        site = Site(Path(folder) / "demo", *PORTS)
        try:
            for name, (steps, language) in PICTURES.items():
                for scheme, ending in {"light": "", "dark": "-dark"}.items():
                    site.clear()
                    with windows(browser, site) as visit:
                        window = visit(
                            locale=LOCALES[language],
                            color_scheme=scheme,
                            viewport={"width": WIDTH, "height": 900},
                        )
                        window.page.add_init_script(FOLD_THE_SIDEBAR)
                        take(window, steps(window, site, language), IMAGES / f"{name}{ending}.png")
        finally:
            browser.close()
            site.stop()


if __name__ == "__main__":
    main()
