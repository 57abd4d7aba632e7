"""One visitor's window of the browser, watched: what nobody expects on a page is a failure.

Watched are errors on the console (a broken script, anything that the content security policy
stops), dialogs, and requests to anywhere but the site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.browser.wire import forms

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page

    from tests.browser.site import Site

# A page that fails on purpose is told by the console too.
STATUS = "Failed to load resource: the server responded with a status of "


@dataclass
class Window:
    """A page, and what went on around it."""

    page: Page
    site: str
    problems: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, context: BrowserContext, site: str) -> Window:
        """Open a window that begins on no page."""
        window = cls(context.new_page(), site)
        window.page.set_default_timeout(20_000)
        window.page.on("console", lambda message: window._hear(message.type, message.text))
        window.page.on("pageerror", lambda error: window.problems.append(str(error)))
        window.page.on("dialog", window._answer)
        context.on("request", lambda request: window._follow(request.url))
        context.on("requestfailed", lambda request: window._spare(request.url, request.failure))
        return window

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(STATUS):
            self.problems.append(text)

    def _follow(self, url: str) -> None:
        if urlsplit(url).scheme in ("http", "https") and not url.startswith(self.site):
            self.problems.append(f"asked for {url}")

    def _spare(self, url: str, failure: str | None) -> None:
        """Take back a request that the page's policy stopped: the console told of it."""
        if failure and "csp" in failure.lower() and f"asked for {url}" in self.problems:
            self.problems.remove(f"asked for {url}")

    def _answer(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.type)
        dialog.accept()

    def goto(self, path: str) -> None:
        """Open a page of the site."""
        self.page.goto(self.site + path)

    def find(self, selector: str, **options: Any) -> Locator:
        """What a selector finds."""
        return self.page.locator(selector, **options)

    def control(self, name: str) -> Locator:
        """The control of a field of the form."""
        return self.page.locator(f"#id_{name}")

    def value(self, name: str) -> str:
        """What stands in a field of the form."""
        return self.control(name).input_value()

    def text(self, selector: str) -> str:
        """The words of one element, on one line."""
        return " ".join(self.find(selector).inner_text().split())

    def press(self, selector: str) -> None:
        """Press a button or a link that leads to another page."""
        with self.page.expect_navigation():
            self.find(selector).filter(visible=True).first.click()

    def path(self) -> str:
        """Where the window is, relative to the site."""
        return urlsplit(self.page.url).path.removeprefix("/")

    def holds(self) -> str:
        """Everything that the browser holds of the site: document, fields, storage, address.

        A password field is left out: what it holds, the visitor has just typed.
        """
        return self.page.evaluate(
            """() => [
                document.documentElement.outerHTML, document.cookie, location.href,
                JSON.stringify([{...localStorage}, {...sessionStorage}, history.state]),
                ...[...document.querySelectorAll("input:not([type=password]), textarea")]
                    .map((each) => each.value),
            ].join("\\n")"""
        )


@contextmanager
def windows(browser: Browser, site: Site) -> Iterator[Callable[..., Window]]:
    """Give a function that opens windows, each a visitor's own; at the end look at all of them.

    The function takes ``signed_in`` and what Playwright's ``new_context`` takes.
    """
    opened: list[Window] = []

    def open_window(*, signed_in: bool = True, **options: Any) -> Window:
        context = browser.new_context(**{"locale": "en-US", **options})
        if signed_in:
            context.add_cookies(site.cookies)
        opened.append(Window.open(context, site.url))
        return opened[-1]

    try:
        yield open_window
        for window in opened:
            assert window.problems == [], window.problems
            assert window.dialogs == [], window.dialogs
            held = window.holds().encode()
            assert not [secret for secret in site.secrets if any(f in held for f in forms(secret))]
        assert not (found := site.wire.found(site.secrets)), found
    finally:
        for window in opened:
            window.page.context.close()
