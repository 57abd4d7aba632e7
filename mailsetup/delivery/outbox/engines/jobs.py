"""What a task of Celery or of ``django.tasks`` does, whichever of them runs it."""

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Final

from mailsetup.delivery.outbox import courier, engines, workers
from mailsetup.delivery.outbox.sweep import sweep

# One task begins no message after this many seconds. Sites limit the time of their tasks, and one
# that is ended in the middle leaves a message of which nobody knows whether it arrived.
SECONDS: Final = 20.0
# Messages that one task claims at once, and primary keys in one notice.
LIMIT: Final = 20
# Tasks that one sweep starts at most.
MOST: Final = 8


def deliver(pks: Sequence[int]) -> int:
    """Deliver what is most urgent, and then these messages if they still wait.

    A queue of tasks is first come, first served. With 100,000 newsletters in it, the task of a
    password reset would be the last; so each task takes what is most urgent, and the task of a
    message that is gone already does nothing.

    Args:
        pks: primary keys.

    Returns:
        How many messages were worked on.
    """
    worker = workers.identity()
    ends = monotonic() + SECONDS
    done = courier.work_once(LIMIT, worker=worker, goes_on=lambda: monotonic() < ends)
    return done + courier.work_on(pks, worker=worker)


def deliver_due() -> int:
    """Deliver what is due, until nothing is or the time is up; return how many."""
    worker = workers.identity()
    ends = monotonic() + SECONDS
    done = 0
    while monotonic() < ends:
        worked = courier.work_once(LIMIT, worker=worker, goes_on=lambda: monotonic() < ends)
        if not worked:
            break
        done += worked
    return done


def sweep_and_wake() -> int:
    """Free what ended workers had claimed, and have what is due delivered; return how much is."""
    due = sweep().due
    engines.wake(due)
    return due


def parts(pks: Sequence[int]) -> Iterator[list[int]]:
    """Yield primary keys in groups that fit one task."""
    for begin in range(0, len(pks), LIMIT):
        yield list(pks[begin : begin + LIMIT])


def tasks_for(due: int) -> int:
    """Return how many tasks are to be started for that many messages."""
    return min(MOST, -(-due // LIMIT))
