"""Work that must not run where the caller is: in an event loop, or in a broken transaction."""

import asyncio
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
