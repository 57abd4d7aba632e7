"""A browser without eyes: cookies, forms and their CSRF tokens, over real HTTP."""

import http.cookiejar
import re
import urllib.parse
import urllib.request
from email.message import Message


class Browser:
    """Opens pages of one site and sends forms.

    Args:
        site: the address that paths are relative to, with its slash.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        self._page = ""

    def open(self, path: str) -> str:
        """Return a page."""
        with self._opener.open(self.site + path, timeout=60) as response:
            self._page = response.read().decode()
        return self._page

    def head(self, path: str) -> Message:
        """Return the headers of an answer."""
        with self._opener.open(self.site + path, timeout=60) as response:
            return response.headers

    def send(self, path: str, **fields: str) -> str:
        """Send a form of the page that is open; return the page that follows."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self._page)[1]
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        with self._opener.open(self.site + path, data=data, timeout=60) as response:
            self._page = response.read().decode()
        return self._page
