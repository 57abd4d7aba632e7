"""Celery: each notice is a task; Celery beat runs the sweep.

Imported only where Celery is installed. ``mailsetup.tasks`` brings the tasks to its worker.

A task that is lost, with its worker or with the broker, takes no mail along: the sweep finds the
row. So tasks are not retried, and their results not kept.
"""

from collections.abc import Sequence

from celery import shared_task

from mailsetup import conf
from mailsetup.delivery.outbox.engines import jobs


@shared_task(name="mailsetup.deliver", ignore_result=True)
def deliver(pks: list[int]) -> None:
    """Deliver what is most urgent, these messages included."""
    jobs.deliver(pks)


@shared_task(name="mailsetup.deliver_due", ignore_result=True)
def deliver_due() -> None:
    """Deliver what is due."""
    jobs.deliver_due()


@shared_task(name="mailsetup.sweep", ignore_result=True)
def sweep() -> None:
    """Free what ended workers had claimed, and start tasks for what is due; for Celery beat."""
    jobs.sweep_and_wake()


def notify(pks: Sequence[int]) -> None:
    """Start tasks for these messages.

    Raises:
        Exception: the broker did not take them; it is asked once.
    """
    for part in jobs.parts(pks):
        deliver.apply_async((part,), retry=False)


def wake(due: int) -> None:
    """Start tasks for what is due; the next sweep's take the place of those not begun by then.

    Raises:
        Exception: the broker did not take them; it is asked once.
    """
    for _ in range(jobs.tasks_for(due)):
        deliver_due.apply_async(retry=False, expires=float(conf.option("SWEEP_SECONDS")))
