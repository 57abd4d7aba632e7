"""Replies of an SMTP server (RFC 5321 section 4.2), taken apart within fixed limits.

The buffer knows no socket: bytes go in as they arrive, whole replies come out. It refuses lines
and replies beyond the limits, and anything that is no reply.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from .scrub import Scrubber, bounded, printable

__all__ = ["GarbledError", "Reply", "ReplyBuffer"]

MAX_LINE: Final = 8192
MAX_LINES: Final = 256
MAX_REPLY: Final = 65_536

# What a line begins with: the last or only one of a reply, and one that is followed by others.
_LAST: Final = {
    b"%d%b" % (code, mark): code for code in range(200, 600) for mark in (b" ", b"\r", b"")
}
_FOLLOWED: Final = frozenset(b"%d-" % code for code in range(200, 600))
_ENHANCED: Final = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")


class GarbledError(ValueError):
    """What arrived is no SMTP reply, or beyond the limits."""


class Reply:
    """One reply.

    Attributes:
        code: from 200 to 599.
        text: its text, with lines joined by LF as smtplib does.
        positive: whether the code is 2yz.
    """

    __slots__ = ("code", "positive", "text")

    def __init__(self, code: int, text: bytes) -> None:
        self.code = code
        self.text = text
        self.positive = code < 300

    @property
    def enhanced_code(self) -> str:
        """The RFC 3463 code at the beginning of the text, or ""."""
        if self.text[1:2] != b".":
            return ""
        match = _ENHANCED.match(self.text)
        return match.group(1).decode("ascii") if match else ""

    def words(self, scrub: Scrubber) -> str:
        """Return code, enhanced code and text on one line, fit to show."""
        data = self.text
        if b"\n" in data:
            enhanced = self.enhanced_code.encode("ascii")
            # Multi-line replies repeat the enhanced code on each line (RFC 2034 section 4).
            lines = [line.removeprefix(enhanced).strip() for line in data.split(b"\n")]
            data = b" ".join(filter(None, [enhanced, *lines]))
        text = scrub(data.decode("utf-8", "replace"))
        if not text.isprintable():
            # What was taken out may have stood in the middle of a secret.
            text = scrub(printable(text))
        return bounded(f"{self.code} {text}")

    def __repr__(self) -> str:
        return f"<Reply {self.code}>"


class ReplyBuffer:
    """Collect bytes and give out whole replies."""

    __slots__ = ("_arrived", "_begun", "_lines", "_size")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        # Whole lines, and the beginning of the next one.
        self._arrived: deque[bytes] = deque()
        self._begun = b""
        # The lines of the reply under way, as far as they have been taken.
        self._lines: list[bytes] = []
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._arrived or self._begun or self._lines)

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._arrived.extend(lines)

    def take(self) -> Reply | None:
        """Return the next whole reply, or None while one is not there yet.

        Raises:
            GarbledError: for what is no reply, or is too long.
        """
        while self._arrived:
            line = self._arrived.popleft()
            code = _LAST.get(line[:4])
            if len(line) > MAX_LINE or (code is None and line[:4] not in _FOLLOWED):
                raise GarbledError("sent something that is no SMTP reply")
            text = line[4:].strip()
            if code is None:
                self._add(text)
                continue
            if self._lines:
                self._add(text)
                text = b"\n".join(self._lines)
                self._lines = []
                self._size = 0
            return Reply(code, text)
        if len(self._begun) > MAX_LINE:
            raise GarbledError("sent an endless line")
        return None

    def _add(self, text: bytes) -> None:
        self._lines.append(text)
        self._size += len(text) + 1
        if len(self._lines) > MAX_LINES or self._size > MAX_REPLY:
            raise GarbledError("sent an endless reply")
