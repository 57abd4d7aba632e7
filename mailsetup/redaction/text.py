"""Masks a plain text by the spans that the rules find in it."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from mailsetup.redaction.codes import code_spans
from mailsetup.redaction.links import link_spans, links
from mailsetup.redaction.plain import Span, is_random
from mailsetup.smtp.scrub import MASK

__all__ = ["masked", "normal", "redact", "spans"]

# Characters nobody sees, which would part a code from itself.
_UNSEEN: Final = dict.fromkeys(
    [0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x2060, 0x2065)]
)
_RUN: Final = re.compile(r"[A-Za-z0-9+/_=-]{16,}")
_JWT: Final = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}")


def redact(text: str) -> str:
    """Return *text* with tokens, one-time codes and passwords masked.

    Links keep their scheme and host. Invisible characters are dropped, letters composed.
    """
    text = normal(text)
    return masked(text, spans(text))


def normal(text: str) -> str:
    """Return *text* in composed letters, without characters that nobody sees."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_UNSEEN)


def spans(text: str) -> list[Span]:
    """Return what is to be masked in a normal *text*, in order, none touching another."""
    found: list[Span] = []
    known: list[Span] = []
    for start, end in links(text):
        known.append((start, end))
        found.extend(link_spans(text, start, end))
    found.extend(_outside(code_spans(text), known))
    found.extend(_outside(_runs(text), known))
    return _merged(found)


def masked(text: str, found: list[Span]) -> str:
    """Return *text* with a mask in the place of each span."""
    parts: list[str] = []
    done = 0
    for start, end in found:
        parts += (text[done:start], MASK)
        done = end
    return "".join([*parts, text[done:]])


def _runs(text: str) -> Iterator[Span]:
    """Yield JSON web tokens, and long runs of hexadecimal digits or base64."""
    for match in _JWT.finditer(text):
        yield match.span()
    for match in _RUN.finditer(text):
        if is_random(match.group()):
            yield match.span()


def _outside(found: Iterator[Span], known: list[Span]) -> Iterator[Span]:
    """Yield the spans, less the links, which were looked at already."""
    index = 0
    for start, end in sorted(found):
        while index < len(known) and known[index][1] <= start:
            index += 1
        place, number = start, index
        while number < len(known) and known[number][0] < end:
            if place < known[number][0]:
                yield place, known[number][0]
            place = max(place, known[number][1])
            number += 1
        if place < end:
            yield place, end


def _merged(found: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(span for span in found if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
