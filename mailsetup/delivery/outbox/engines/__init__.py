"""Engines: who is told that messages wait, and works on them.

The row is the truth. An engine is told primary keys after the commit, and nothing is lost if it
does not hear of them: a sweep finds what waits. So no engine's failure is the caller's.

``MAILSETUP["ENGINE"]`` names one of :data:`NAMES`, or a callable by its dotted path. A class is
made once, without arguments, and what it made is called.
"""

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from time import monotonic
from typing import Any, Final

from django.utils.module_loading import import_string

from mailsetup import conf
from mailsetup.delivery.reporting import report

__all__ = ["BATCH", "NAMES", "Engine", "load", "notify", "on_request", "wake"]

NAMES: Final = ("inline", "worker", "tasks", "celery")

# Messages that one thread claims at once.
BATCH: Final = 100
# Seconds during which an engine that failed is not called again; more for one that took long to
# fail, because the site's pages wait for that.
PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0


class _Rest:
    """Until when (monotonic time) the engine is left alone."""

    until = 0.0


_rest: Final = _Rest()


@dataclass(frozen=True, slots=True)
class Engine:
    """Who works on messages.

    Attributes:
        notify: called with the primary keys of new messages, after they were committed.
        wake: called with the number of messages that are due, after a sweep.
        on_request: called as each request begins; does nothing but the first time.
    """

    notify: Callable[[list[int]], Any]
    wake: Callable[[int], Any]
    on_request: Callable[[], Any]


def notify(pks: Sequence[int]) -> None:
    """Tell the engine of messages that were stored; never raises, and never waits for them.

    Args:
        pks: their primary keys.
    """
    if pks:
        _tell(lambda engine: engine.notify(list(pks)))


def wake(due: int) -> None:
    """Tell the engine after a sweep that messages are due; never raises.

    An engine of the site's own is not told: its messages that are due again go out by
    ``mailsetup_sweep --deliver`` or ``mailsetup_worker``.

    Args:
        due: how many.
    """
    if due:
        _tell(lambda engine: engine.wake(due))


def on_request(**kwargs: Any) -> None:
    """Let the embedded engine begin with a process's first request; never raises.

    A receiver of ``request_started``.
    """
    if conf.option("ENGINE") == "inline":
        _tell(lambda engine: engine.on_request())


def load() -> Engine:
    """Return the engine that the settings name.

    Raises:
        Exception: it cannot be imported, or made.
    """
    return _load(str(conf.option("ENGINE")))


@lru_cache(maxsize=8)
def _load(name: str) -> Engine:
    if name == "worker":
        # Nobody needs to be told: the worker looks into the table by itself.
        return Engine(_nothing, _nothing, _nothing)
    if name in NAMES:
        module = import_module(f"{__name__}.{name}")
        return Engine(module.notify, module.wake, getattr(module, "on_request", _nothing))
    own = import_string(name)
    return Engine(own() if inspect.isclass(own) else own, _nothing, _nothing)


def _nothing(*arguments: object) -> None:
    pass


def _tell(what: Callable[[Engine], Any]) -> None:
    began = monotonic()
    if began < _rest.until:
        return
    try:
        what(load())
    except Exception as error:  # noqa: BLE001 - the message is stored, and the sweep finds it
        now = monotonic()
        _rest.until = now + min(max(PAUSE, 10 * (now - began)), LONGEST_PAUSE)
        report(
            logging.WARNING,
            "The engine “%s” could not be called (%s: %s). Waiting mails are stored, and go out "
            "after the next sweep.",
            conf.option("ENGINE"),
            type(error).__name__,
            error,
        )
