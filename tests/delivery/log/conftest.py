"""The log, read after what waits for it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from mailsetup.delivery.log import logbook
from mailsetup.models import Message


@pytest.fixture
def log() -> Callable[[], list[Message]]:
    """Return a function that returns the messages of the log, in order."""

    def read() -> list[Message]:
        assert logbook.flush()
        return list(Message.objects.order_by("pk").prefetch_related("attempts"))

    return read


@pytest.fixture
def threaded(transactional_db) -> Iterator[logbook.Logbook]:
    """The log as a site has it: a thread writes it, by a connection of its own."""
    book = logbook.logbook
    book.threaded = True
    yield book
    book.flush()
    book.close()
    book.threaded = None
