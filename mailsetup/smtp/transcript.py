"""The conversation with a server, line by line, for a person to read.

Kept in memory only and bounded. Credentials are masked before a line is stored, control and
bidi characters are made visible.
"""

from __future__ import annotations

from time import monotonic
from typing import Final, Literal, NamedTuple

from .scrub import Scrubber, bounded, visible

__all__ = ["Line", "Transcript"]

_LINE_LIMIT: Final = 500

Direction = Literal["C", "S", "*"]


class Line(NamedTuple):
    """One line: milliseconds since the start, who said it ("*" is an event), and what."""

    offset: int
    direction: Direction
    text: str


class Transcript:
    """Record what was said.

    Args:
        limit: lines kept; from then on only the count of further ones grows.
    """

    def __init__(self, limit: int = 400) -> None:
        self.limit = limit
        self.lines: list[Line] = []
        self.dropped = 0
        self._began = monotonic()
        self._scrubs: tuple[Scrubber, ...] = ()

    def hide(self, scrub: Scrubber) -> None:
        """Mask from now on what *scrub* masks."""
        self._scrubs = (*self._scrubs[-7:], scrub)

    def add(self, direction: Direction, text: str) -> None:
        """Store *text*, a line of the transcript for each of its lines."""
        for line in text.split("\n"):
            if len(self.lines) >= self.limit:
                self.dropped += 1
                continue
            clean = line
            for scrub in self._scrubs:
                clean = scrub(clean)
            offset = round((monotonic() - self._began) * 1000)
            self.lines.append(Line(offset, direction, bounded(visible(clean), _LINE_LIMIT)))

    def text(self) -> str:
        """Return the whole conversation as text, a line for each."""
        rows = [f"{line.offset:>6} ms {line.direction}: {line.text}" for line in self.lines]
        if self.dropped:
            rows.append(f"          *: ({self.dropped} more lines)")
        return "\n".join(rows)

    def __repr__(self) -> str:
        return f"<Transcript {len(self.lines)} lines>"
