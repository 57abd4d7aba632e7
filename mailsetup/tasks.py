"""Where Celery's worker looks for tasks (``autodiscover_tasks``); empty without Celery.

Names: ``mailsetup.deliver``, ``mailsetup.deliver_due`` and ``mailsetup.sweep``, the one for Celery
beat. The tasks of ``django.tasks`` need no look-up; they are in
``mailsetup.delivery.outbox.engines.tasks``.
"""

try:
    import celery  # noqa: F401
except ImportError:
    __all__ = []
else:
    from mailsetup.delivery.outbox.engines.celery import deliver, deliver_due, sweep

    __all__ = ["deliver", "deliver_due", "sweep"]
