"""Finds who waits for this thread: asynchronous code that calls from a task is not in the stack.

``sync_to_async`` runs a function in a thread, while the task that called it stands still.
"""

import asyncio
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["is_handler", "waiting"]

# The thread may be faster than the task that started it, whose frames show once it stands still.
# Seconds between two looks, longer and longer.
_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)


def is_handler(frame: FrameType) -> bool:
    """Tell whether this is the frame in which asgiref runs a function in a thread."""
    named = frame.f_code.co_name == "thread_handler"
    return named and frame.f_globals.get("__name__") == "asgiref.sync"


def waiting(handler: FrameType) -> list[FrameType]:
    """Return the frames of the task that waits for a call; the innermost first, [] if unknown.

    Args:
        handler: the frame that :func:`is_handler` is true of.
    """
    # What is run, an object of this one call: asgiref's own frame in the task has it too.
    call = handler.f_locals["args"][0]
    for pause in _PAUSES:
        for task in asyncio.all_tasks(handler.f_locals["loop"]):
            frames = [*_frames(task.get_coro())]
            if any(_has(frame, call) for frame in frames):
                return frames[::-1]
        time.sleep(pause)
    return []


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Give out the frames of a coroutine and of those that it waits for, the outermost first."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame
        coroutine = coroutine.cr_await


def _has(frame: FrameType, call: object) -> bool:
    if frame.f_globals.get("__name__") != "asgiref.sync":
        return False
    return any(value is call for value in frame.f_locals.values())
