"""Work that must not run where the caller is.

In an event loop the ORM refuses to, in a broken transaction the database does, and after a fork the
connection is the parent's.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")


def in_event_loop() -> bool:
    """Tell whether the caller runs in an event loop, where the ORM refuses to work."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


# The database connections that were open when this process was forked, by alias.
_inherited: dict[str, Any] = {}


def _note_inherited() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            _inherited[connection.alias] = connection.connection


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_inherited)


def is_inherited(database: str) -> bool:
    """Tell whether this thread's connection is one that the parent process goes on using.

    Both would read each other's answers; and a transaction that was open is not the child's.
    Django's backends leave that to the site, whose mail never asked the database before.

    Args:
        database: its alias.
    """
    parents = _inherited.get(database)
    return parents is not None and connections[database].connection is parents


def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Return what *function* returns in a helper thread with database connections of its own.

    Raises:
        BaseException: whatever *function* raises.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((function(*args), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            outcome.extend((None, error))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="mailsetup-helper", daemon=True)
    thread.start()
    thread.join()
    result, error = outcome
    if error is not None:
        raise error
    return result
