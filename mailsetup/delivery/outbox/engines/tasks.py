"""``django.tasks``, of Django from 6.0 on or of its backport for 5.2: each notice is a task.

Imported only where it is used: a task is bound to a backend of ``TASKS`` when it is made.
"""

from collections.abc import Sequence

from mailsetup import conf
from mailsetup.delivery.outbox.engines import jobs

try:
    from django.tasks import task
except ImportError:
    # Django 5.2.
    from django_tasks import task

_where = {"backend": conf.option("TASKS_BACKEND"), "queue_name": conf.option("TASKS_QUEUE")}


@task(**_where)
def deliver(pks: list[int]) -> None:
    """Deliver what is most urgent, these messages included."""
    jobs.deliver(pks)


@task(**_where)
def deliver_due() -> None:
    """Deliver what is due."""
    jobs.deliver_due()


@task(**_where)
def sweep() -> None:
    """Free what ended workers had claimed, and start tasks for what is due."""
    jobs.sweep_and_wake()


def notify(pks: Sequence[int]) -> None:
    """Start tasks for these messages.

    Raises:
        Exception: the backend did not take them.
    """
    for part in jobs.parts(pks):
        deliver.enqueue(part)


def wake(due: int) -> None:
    """Start tasks for what is due.

    Raises:
        Exception: the backend did not take them.
    """
    for _ in range(jobs.tasks_for(due)):
        deliver_due.enqueue()
