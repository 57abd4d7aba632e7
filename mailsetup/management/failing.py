"""What the commands say of a database that fails, and do when nobody reads on."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, OutputWrapper

from mailsetup.delivery.ready import MIGRATE
from mailsetup.models.tables import unapplied_migrations


def database_failed(sentence: str, error: Exception) -> CommandError:
    """Return the error to raise for one of the database's.

    Args:
        sentence: what cannot be done, without its full stop.
        error: what the database raised.
    """
    return CommandError(MIGRATE if unapplied_migrations() else f"{sentence}: {error}")


@contextmanager
def reader_may_leave(stream: OutputWrapper) -> Iterator[None]:
    """Print to a pipe whose reader may have read enough (``… | head``), and be silent about it."""
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        # Python writes once more what is left when it ends, and would complain there.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
