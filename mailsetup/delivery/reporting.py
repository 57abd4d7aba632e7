"""Says what happened to mails without starting a chain of mails about mails.

A log handler that mails (``AdminEmailHandler``) would answer each failing mail with another one
that fails. So while something is being reported, nothing more is; and a mail that is written
meanwhile, into the outbox say, is marked as a report whose own failure is not reported.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger("mailsetup")
_reporting = threading.local()


def is_reporting() -> bool:
    """Tell whether something about a mail is being reported right now."""
    return bool(getattr(_reporting, "active", False))


@contextmanager
def quietly() -> Iterator[bool]:
    """Tell whether nothing is being reported yet; whatever reporting raises ends here.

    A log handler that mails (``AdminEmailHandler``) would otherwise answer each failure with
    another failing mail, and from Django 6.1 on let that one's error out, as if this mail had
    failed.
    """
    if is_reporting():
        yield False
        return
    _reporting.active = True
    try:
        with suppress(Exception):
            yield True
    finally:
        _reporting.active = False


def report(level: int, text: str, *arguments: object) -> None:
    """Log an event of sending, unless it comes from a mail that logging itself is sending."""
    with quietly() as is_outermost:
        if is_outermost:
            logger.log(level, text, *arguments)
