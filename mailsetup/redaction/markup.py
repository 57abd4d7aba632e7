"""Masks an HTML source: its text as it reads with the tags taken out, and its attributes.

A code may stand in a table of one digit a cell, so the rules see the text of the whole document;
what they find is masked piece by piece in the source. Whatever does not parse is text.
"""

import html
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mailsetup.redaction.links import link_spans
from mailsetup.redaction.text import masked, normal, redact, spans
from mailsetup.smtp.scrub import MASK

__all__ = ["redact_html"]

_QUOTING: Final = re.compile(r"""<[a-zA-Z/](?:[^<>"']|"[^"]*+"|'[^']*+')*+>""")
_SIMPLE: Final = re.compile(r"<[a-zA-Z/!?][^<>]*+>")
_ATTRIBUTE: Final = re.compile(
    r"""(?P<name>[\w:.@-]{1,40})(?P<is>\s{0,9}=\s{0,9})(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'"""
    r"""|(?P<bare>[^\s"'<>]++))"""
)
_LINKS: Final = re.compile(
    r"action|background|cite|data|formaction|href|longdesc|manifest|ping|poster|src|srcset"
    r"|xlink:href",
    re.IGNORECASE,
)
_TAG_NAME: Final = re.compile(r"</?([a-zA-Z0-9]+)")
# Text on both sides of such a tag is one word.
_INLINE: Final = re.compile(
    r"abbr|acronym|[abiqsu]|bd[io]|big|cite|code|data|del|dfn|em|font|ins|kbd|label|mark|samp"
    r"|small|span|strike|strong|su[bp]|time|tt|var|wbr"
)


class _Piece(NamedTuple):
    """A stretch of the source: a tag, or text as it reads."""

    source: str
    is_tag: bool


def redact_html(source: str) -> str:
    """Return an HTML source with tokens, one-time codes and passwords masked.

    It may look different then, where attributes are masked, but it says the same.
    """
    pieces = list(_pieces(source))
    hidden = _hidden(pieces)
    return "".join(
        _tag(piece.source) if piece.is_tag else hidden.get(index, piece.source)
        for index, piece in enumerate(pieces)
    )


def _pieces(source: str) -> Iterator[_Piece]:
    done = place = 0
    quoting = True
    while (place := source.find("<", place)) >= 0:
        match = _QUOTING.match(source, place) if quoting else None
        if match is None:
            match = _SIMPLE.match(source, place)
            # A quote that is never closed would be searched for from every tag on.
            quoting = quoting and (match is None or not {'"', "'"} & set(match.group()))
        if match is None:
            place += 1
            continue
        if done < place:
            yield _Piece(source[done:place], is_tag=False)
        yield _Piece(match.group(), is_tag=True)
        done = place = match.end()
    if done < len(source):
        yield _Piece(source[done:], is_tag=False)


def _hidden(pieces: list[_Piece]) -> dict[int, str]:
    """Return the source of those texts, by index, that hold something to mask."""
    parts: list[str] = []
    places: list[tuple[int, int, str]] = []
    length = 0
    for index, piece in enumerate(pieces):
        if piece.is_tag:
            part = _gap(piece.source)
        else:
            part = normal(html.unescape(piece.source))
            if part.isspace():
                part = " "
            places.append((index, length, part))
        parts.append(part)
        length += len(part)
    found = spans("".join(parts))
    hidden: dict[int, str] = {}
    first = 0
    for index, start, part in places:
        while first < len(found) and found[first][1] <= start:
            first += 1
        inside = []
        number = first
        while number < len(found) and found[number][0] < start + len(part):
            left, right = found[number]
            inside.append((max(left - start, 0), min(right - start, len(part))))
            number += 1
        if inside:
            hidden[index] = html.escape(masked(part, inside), quote=False)
    return hidden


def _gap(tag: str) -> str:
    """Return what a tag puts between the texts around it."""
    match = _TAG_NAME.match(tag)
    name = match[1].lower() if match else ""
    if not name or _INLINE.fullmatch(name):
        return ""
    return " " if name in {"td", "th"} else "\n"


def _tag(tag: str) -> str:
    """Return a tag, or a comment, with its attributes masked."""
    if "=" not in tag:
        return redact(tag) if tag.startswith("<!") else tag
    # Once more as a text: <input name="code" value="482913">.
    return redact(_ATTRIBUTE.sub(_attribute, tag))


def _attribute(match: re.Match[str]) -> str:
    value = html.unescape(match["double"] or match["single"] or match["bare"] or "")
    value = normal(value)
    if _LINKS.fullmatch(match["name"]):
        found = sorted(link_spans(value, 0, len(value)))
        result = masked(value, [span for span in found if span[0] < span[1]])
        if value.lstrip().lower().startswith(("data:", "javascript:")):
            result = MASK
    else:
        result = redact(value)
    if result == value:
        return match.group()
    return f'{match["name"]}{match["is"]}"{html.escape(result)}"'
