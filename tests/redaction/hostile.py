"""Long texts that would keep a careless pattern busy for hours, and a guard against that."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

PIECES = [
    "a.a", "1 ", "code ", "code: ", "password is ", "eyJ", "A1", "-", "http://", "a://b ", "/a",
    "code 1234 ", "&;", "=", "mã ", "x@y.z/", "a-", "code:\n", "1234-", "à", "code is a a a a ",
    ".", " ", "login ", "\u200b", "mailto:", "a&", "9", "code\n\n\n", "<", '<a href="', "<a b='",
    "<a b=c ", "&#", "<!--", "<td>4</td>", "='", "a=b ",
]  # fmt: skip
HEADS = ["", "http://a/?", "code", "<a "]


@contextmanager
def within_cpu_seconds(seconds: float) -> Iterator[None]:
    """Fail where the block computes for longer; a linear pattern needs a hundredth of it."""

    def too_long(*args: object) -> None:
        raise AssertionError("It takes too long.")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
