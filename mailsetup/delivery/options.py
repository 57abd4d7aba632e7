"""Options of the backend that nobody knows."""

import logging
from difflib import get_close_matches
from functools import lru_cache

import django

from mailsetup.delivery.reporting import report


@lru_cache(maxsize=64)
def tell_unknown(*names: str) -> None:
    """Log, once a process, options that do nothing: before Django 6.1 nobody refuses them.

    With a misspelt ``profile`` a mail would go by the default one, and nobody would know.

    Args:
        names: of the arguments that neither Django's backends nor ours know.
    """
    if not names or django.VERSION >= (6, 1):
        return
    for name in names:
        likely = get_close_matches(name, ["profile", "background"], n=1)
        question = f" Do you mean {likely[0]!r}?" if likely else ""
        report(
            logging.WARNING,
            "mailsetup's backend has no option %r; it is ignored.%s",
            name,
            question,
        )
