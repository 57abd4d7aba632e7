"""The example site's Celery application, for ``MAIL_ENGINE=celery``.

Worker: ``celery -A config.celery worker``; the sweep: ``celery -A config.celery beat``.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
