"""Finds English texts of the example site in what is shown in Vietnamese."""

import gettext
import re
from pathlib import Path

from django.conf import settings as site
from django.utils.html import escape

CATALOG = Path(site.LOCALE_PATHS[0]) / "vi" / "LC_MESSAGES" / "django.po"


def entries() -> dict[str, str]:
    """Return the texts and their translations, from the compiled catalogue."""
    with CATALOG.with_suffix(".mo").open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    texts = {}
    for key, text in catalog.items():
        source = key[0] if isinstance(key, tuple) else key  # a plural has its form beside it
        texts[source.rpartition("\x04")[2]] = text  # a context stands in front
    del texts[""]
    return texts


def english_in(content: str) -> list[str]:
    """Return the English texts of the site that a Vietnamese page or mail still has."""
    # Names stay: the shop's, and in the switch each language's own.
    content = re.sub(r"Mây Tea|\bEnglish\b", "", content)
    found = []
    for text, translated in entries().items():
        if text == translated:
            continue
        pattern = re.sub(r"%\\?\(\w+\\?\)[sd]", ".+?", re.escape(text))
        if re.search(rf"(?<!\w)(?:{pattern}|{re.escape(escape(text))})(?!\w)", content):
            found.append(text)
    return found


def visible(page: str) -> str:
    """Return the texts of a page: what is between tags, and the attributes that are read out."""
    page = re.sub(r"(?s)<(style|script|svg)\b.*?</\1>", " ", page)
    spoken = re.findall(r'(?:aria-label|title|alt|content)="([^"]*)"', page)
    between = re.sub(r"<[^>]*>", "\n", page)
    return "\n".join([between, *spoken])
