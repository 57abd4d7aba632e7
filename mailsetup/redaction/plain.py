"""Tells ordinary words, numbers and file names from what a random generator made."""

import re
from typing import Final

__all__ = ["Span", "is_plain", "is_random", "letters_and_digits"]

# Start and end of something to hide.
Span = tuple[int, int]

_SEPARATORS: Final = re.compile(r"[-_.~:+,=/\s]+")
# A word, a word with a number, an abbreviation, a number.
_PIECE: Final = re.compile(r"[^\W\d_]?[^\W\d_A-Z]{0,15}\d{0,4}|[A-Z]{2,10}\d{0,6}|\d{1,12}")
_CLASSES: Final = re.compile(r"(\d+)|([A-Z]+)|([a-z]+)|[^\dA-Za-z]+")


def is_plain(text: str) -> bool:
    """Tell whether *text* is made of words, numbers and abbreviations, as a slug is."""
    return all(_PIECE.fullmatch(piece) for piece in _SEPARATORS.split(text) if piece)


def is_random(text: str) -> bool:
    """Tell whether a run of 16 or more letters, digits and separators looks made up by chance."""
    if is_plain(text):
        return False
    core = letters_and_digits(text)
    if len(core) < 16:
        return False
    kinds = [match.lastindex for match in _CLASSES.finditer(core)]
    if 1 not in kinds:
        # Letters alone: CamelCase changes seldom, chance every second time.
        return len(kinds) - 1 > 0.3 * (len(core) - 1)
    return len(kinds) > 3 or (len(kinds) == 1 and len(core) >= 20)


def letters_and_digits(text: str) -> str:
    """Return *text* without its separators."""
    return _SEPARATORS.sub("", text)
