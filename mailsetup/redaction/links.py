"""Finds the links of a text, and in each what may be a token."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from mailsetup.redaction.plain import Span, is_plain

__all__ = ["link_spans", "links"]

# Every quantifier is bounded or begins where the one before cannot go on.
_LINK: Final = re.compile(
    r"""(?<![\w+.-])[a-z][a-z0-9+.-]{0,30}://[^\s<>"]+|\bmailto:[^\s<>"]+"""
    r"""|(?<![\w@./:-])(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?::\d{1,5})?[/?][^\s<>"]*""",
    re.IGNORECASE,
)
_CLOSING: Final = ".,;:!?)]}'*_\u2019\u201d\u00bb\u2026"
_SCHEME: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{0,30}:)?//|(?:mailto|tel|sms):", re.IGNORECASE)
_SEGMENT: Final = re.compile(r"[^/;]+")
_PAIR: Final = re.compile(r"[^&;]+")

# What follows one of these in a path is for the recipient alone, however plain it looks.
_OPENERS: Final = re.compile(
    r"activat|confirm|invit|login|log-in|magic|opt-?in|recover|reset|secret|session|subscri"
    r"|ticket|token|unlock|validat|verif"
    r"|dat-lai|dang-nhap|kich-hoat|mat-khau|moi-tham-gia|xac-minh|xac-nhan|xac-thuc"
    r"|(?<![a-z])(?:auth|claim|join|key|otp|pass|pw|set-pw|share|sign|sso)",
    re.IGNORECASE,
)
# Parameters whose value says nothing about who reads it; any other value is hidden.
_HARMLESS: Final = re.compile(
    r"utm_\w{1,20}|page|lang|language|locale|hl|sort|order_by|size|colou?r|tab|view|format"
    r"|category|limit|offset|year|month|day|q|query|search",
    re.IGNORECASE,
)


def links(text: str) -> Iterator[Span]:
    """Yield where the links of *text* stand, without the punctuation behind them."""
    for match in _LINK.finditer(text):
        whole = match.group()
        yield match.start(), match.start() + len(whole.rstrip(_CLOSING))


def link_spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the parts of the link ``text[start:end]`` that may be tokens.

    Scheme and host stay. A link without them, as an attribute of HTML has it, is a path.
    """
    scheme = _SCHEME.match(text, start, end)
    path = start
    if scheme is not None:
        path = _first(text, "/?#", scheme.end(), end)
        at = text.rfind("@", scheme.end(), path)
        is_address = not scheme.group().endswith("//") and is_plain(text[scheme.end() : at])
        if at >= 0 and not is_address:
            yield scheme.end(), at
    elif (head := _first(text, "/?#", start, end)) > start and "." in text[start:head]:
        path = head
    query = _first(text, "?#", path, end)
    fragment = _first(text, "#", query, end)
    yield from _in_path(text, path, query)
    if query < fragment:
        yield from _in_query(text, query + 1, fragment)
    if fragment < end:
        yield from _in_fragment(text, fragment + 1, end)


def _first(text: str, characters: str, start: int, end: int) -> int:
    """Return where the first of some characters stands, or *end*."""
    places = (text.find(character, start, end) for character in characters)
    return min((place for place in places if place >= 0), default=end)


def _in_path(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _SEGMENT.finditer(text, start, end):
        segment = unquote(match.group())
        if "=" in segment:
            yield from _in_query(text, match.start(), match.end())
        elif not is_plain(segment):
            yield match.span()
        elif _OPENERS.search(segment) and match.end() + 1 < end:
            yield match.end() + 1, end
            return


def _in_query(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _PAIR.finditer(text, start, end):
        name, equals, value = match.group().partition("=")
        if not equals:
            # A query may be a bare token.
            if not is_plain(unquote(name)) or name.isdigit():
                yield match.span()
        elif value and not (_HARMLESS.fullmatch(name) and is_plain(unquote(value))):
            yield match.start() + len(name) + 1, match.end()
        if equals and not is_plain(unquote(name)):
            yield match.start(), match.start() + len(name)


def _in_fragment(text: str, start: int, end: int) -> Iterator[Span]:
    fragment = text[start:end]
    if "=" in fragment:
        yield from _in_query(text, start, end)
    elif "/" in fragment:
        yield from _in_path(text, start, end)
    elif not is_plain(unquote(fragment)):
        yield start, end
