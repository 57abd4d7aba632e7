"""Tells who asked for a mail: the app and function, and the view, command or task around it.

It walks the stack from the backend outward. The first frame that belongs neither to sending nor
to Python itself is the one that asked. Nothing is imported for it and no frame is kept.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import AppRegistryNotReady

from mailsetup.delivery.log import awaiting

MOST_CHARACTERS = 250

# What only passes a mail on; "." at the end stands for everything below.
_PASSED_OVER = (
    "mailsetup.backends",
    "mailsetup.delivery.",
    "mailsetup.effective.",
    "mailsetup.testing",
    "django.core.mail",
    "django.core.mail.",
    "django.contrib.auth.models",
    "django.utils.",
    "asgiref.",
)
_LOG_HANDLERS = "django.utils.log"


class Caller(NamedTuple):
    """Who asked for a mail.

    Attributes:
        app: the label of the app, or the top package of code that is in none.
        caller: "module.function", with the view, command or task in parentheses; at most 250
            characters.
        kind: what stands in the parentheses: "view", "command", "task", or "".
    """

    app: str = ""
    caller: str = ""
    kind: str = ""


# Module name to app; None for what is passed over. Of the apps registered in `_known_apps`.
_known: dict[str, str | None] = {}
_known_apps: object = None


def who_asks() -> Caller:
    """Return who asked for the mail under way; never raises."""
    global _known_apps  # noqa: PLW0603 - one memory a process
    if _known_apps is not apps.app_configs:
        _known.clear()
        _known_apps = apps.app_configs
    return _first(_outward(sys._getframe(1))) or Caller()


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _first(frames: Iterator[FrameType]) -> Caller | None:
    """Return the first of the frames that asks for a mail."""
    for frame in frames:
        module = frame.f_globals.get("__name__") or ""
        if module == _LOG_HANDLERS:
            return Caller("django", "logging")
        app = _known[module] if module in _known else _look_up(module)
        if app is not None:
            function = f"{module}.{frame.f_code.co_qualname}".replace(".<locals>", "")
            return _with_surroundings(app, function, itertools.chain([frame], frames))
        if awaiting.is_handler(frame) and (found := _first(iter(_in_task(frame)))) is not None:
            return found
    return None


def _in_task(handler: FrameType) -> list[FrameType]:
    try:
        return awaiting.waiting(handler)
    except Exception:  # noqa: BLE001 - another's frame; the mail goes out whatever is in it
        return []


def _look_up(module: str) -> str | None:
    app = None if _is_passed_over(module) else _app_of(module)
    _known[module] = app
    return app


def _is_passed_over(module: str) -> bool:
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(
        module.startswith(name) if name.endswith(".") else module == name for name in _PASSED_OVER
    )


def _app_of(module: str) -> str:
    try:
        config = apps.get_containing_app_config(module)
    except AppRegistryNotReady:
        config = None
    return module.partition(".")[0] if config is None else config.label


def _with_surroundings(app: str, function: str, frames: Iterable[FrameType]) -> Caller:
    """Add the view, command or task, the innermost of them where there are several."""
    for outer in frames:
        reader = _READERS.get(outer.f_code.co_name)
        if reader is not None and (found := _read(reader, outer)) is not None:
            kind, name = found
            return Caller(app, _joined(function, f"{kind} {name}"), kind)
    return Caller(app, function[:MOST_CHARACTERS])


def _read(
    reader: Callable[[str, FrameType], tuple[str, str] | None], frame: FrameType
) -> tuple[str, str] | None:
    try:
        return reader(frame.f_globals.get("__name__") or "", frame)
    except Exception:  # noqa: BLE001 - another's frame; the mail goes out whatever is in it
        return None


def _joined(function: str, around: str) -> str:
    left = MOST_CHARACTERS - len(around) - 3
    if left < 20:
        return f"{function} ({around}"[:MOST_CHARACTERS]
    return f"{function[:left]} ({around})"


def _view(module: str, frame: FrameType) -> tuple[str, str] | None:
    if module != "django.core.handlers.base":
        return None
    return "view", _name_of(frame.f_locals["request"].resolver_match.func)


def _view_in_thread(module: str, frame: FrameType) -> tuple[str, str] | None:
    """Read the view that ASGI runs in a thread, where Django's handler is not in the stack."""
    if module != "asgiref.sync":
        return None
    for call in frame.f_locals["args"]:
        for argument in getattr(call, "args", ()):
            match = getattr(argument, "resolver_match", None)
            if match is not None:
                return "view", _name_of(match.func)
    return None


def _command(module: str, frame: FrameType) -> tuple[str, str] | None:
    if module != "django.core.management.base":
        return None
    return "command", type(frame.f_locals["self"]).__module__.rpartition(".")[2]


def _celery_task(module: str, frame: FrameType) -> tuple[str, str] | None:
    if module != "celery.app.trace":
        return None
    return "task", frame.f_locals["task"].name


def _django_task(module: str, frame: FrameType) -> tuple[str, str] | None:
    if module.partition(".")[0] not in {"django", "django_tasks"}:
        return None
    return "task", frame.f_locals["self"].module_path


def _name_of(view: Any) -> str:
    view = getattr(view, "view_class", view)
    name = getattr(view, "__qualname__", None) or type(view).__qualname__
    return f"{view.__module__}.{name}"


# By the name of the function whose frame tells.
_READERS: dict[str, Callable[[str, FrameType], tuple[str, str] | None]] = {
    "_get_response": _view,
    "_get_response_async": _view,
    "thread_handler": _view_in_thread,
    "execute": _command,
    "trace_task": _celery_task,
    "call": _django_task,
    "acall": _django_task,
}
