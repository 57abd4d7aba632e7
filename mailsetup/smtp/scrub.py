"""Text that came from a server, made fit to show: no secret, no control character, bounded.

A server may send back what it was sent, also as base64 (it saw the AUTH command that way) or in
an URL, and a log or a terminal may obey the control characters in it.
"""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote, quote_plus, unquote_plus

__all__ = ["MASK", "Scrubber", "bounded", "printable", "visible"]

MASK: Final = "********"
_LIMIT: Final = 1000
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_%-]{8,}")
# Cc control, Cf format (all bidi marks are), Cs surrogate, Co private, Zl/Zp separators.
_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return *text* on one line, without control, format or bidi characters."""
    if text.isprintable():
        return text
    return "".join(
        " " if char in "\t\r\n" else "" if unicodedata.category(char) in _UNFIT else char
        for char in text
    )


def visible(text: str) -> str:
    """Return *text* on one line, with control, format and bidi characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in _UNFIT
        else char
        for char in text
    )


def bounded(text: str, limit: int = _LIMIT) -> str:
    """Return at most *limit* characters of *text*, the cut marked."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Scrubber:
    """Mask secrets in a text, in plain, base64, URL-encoded and quoted forms.

    Args:
        secrets: the texts themselves; empty ones are ignored.
        blobs: base64 texts made from them (the argument of AUTH PLAIN).
    """

    __slots__ = ("_mask",)

    def __init__(self, secrets: Iterable[str] = (), blobs: Iterable[str] = ()) -> None:
        self._mask: Callable[[str], str] = _masker(
            tuple(filter(None, secrets)), tuple(filter(None, blobs))
        )

    def __call__(self, text: str) -> str:
        """Return *text* with every secret masked."""
        return self._mask(text)

    def __repr__(self) -> str:
        return "Scrubber()"


def _masker(secrets: tuple[str, ...], blobs: tuple[str, ...]) -> Callable[[str], str]:
    if not secrets and not blobs:
        return lambda text: text
    raw = tuple(secret.encode("utf-8", "surrogatepass") for secret in secrets)
    encoded = blobs + tuple(base64.b64encode(value).decode("ascii") for value in raw)
    windows = tuple(window for value in raw for window in _windows(value))
    # One text, for one search: base64 has no line feed.
    unpadded = "\n".join(whole.rstrip("=") for whole in encoded)
    plain = re.compile("|".join(_patterns(secrets, encoded)), re.IGNORECASE)

    def mask_token(match: re.Match[str]) -> str:
        token = match.group()
        return MASK if _betrays(token, windows, unpadded) else token

    def mask(text: str) -> str:
        text = plain.sub(MASK, text)
        for token in _TOKEN.findall(text):
            if _betrays(token, windows, unpadded):
                return _TOKEN.sub(mask_token, text)
        return text

    return mask


def _patterns(secrets: tuple[str, ...], encoded: tuple[str, ...]) -> list[str]:
    forms: set[str] = set(encoded)
    for secret in secrets:
        safe = secret.encode("utf-8", "surrogatepass")
        forms |= {secret, quote(safe, safe=""), quote(safe), quote_plus(safe)}
        forms |= {html.escape(secret), json.dumps(secret)[1:-1]}
    forms |= {quote(text, safe="") for text in encoded}
    longest_first = sorted(forms, key=len, reverse=True)
    # A secret of two or three characters would mask half of every sentence, and so be told.
    return [
        re.escape(form) if len(form) > 3 else rf"(?<!\w){re.escape(form)}(?!\w)"
        for form in longest_first
    ]


def _windows(secret: bytes) -> tuple[str, ...]:
    """Return what half of *secret* leaves in base64, wherever in the encoded text it begins.

    Half of it is too much to show already. Characters that neighbouring octets have a part in
    are left out, so that one search a window does.
    """
    if len(secret) <= 3:
        return ()
    piece = secret[: max(4, len(secret) // 2)]
    windows = []
    for lead in range(3):
        first, last = -(-lead * 8 // 6), (lead + len(piece)) * 8 // 6
        windows.append(base64.b64encode(bytes(lead) + piece).decode("ascii")[first:last])
    return tuple(windows)


def _betrays(token: str, windows: tuple[str, ...], encoded: str) -> bool:
    """Tell whether a base64-like *token* holds a secret, or is a piece of one."""
    texts = (token, unquote_plus(token)) if "%" in token or "+" in token else (token,)
    for text in texts:
        core = text.replace("-", "+").replace("_", "/").strip("=%")
        if len(core) >= 8 and core in encoded:
            return True
        for window in windows:
            if window in core:
                return True
    return False
