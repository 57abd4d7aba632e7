"""Gunicorn's settings: the master sends a mail before each fork, and one as it ends."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

wsgi_app = "tests.processes.site:application"
preload_app = True
worker_class = "gthread"
workers = int(os.environ["SITE_WORKERS"])
threads = 8
# A worker takes no more than it has threads for, so that every one of them gets work.
worker_connections = threads
keepalive = 0
graceful_timeout = 20
control_socket_disable = True


def pre_fork(server: Any, worker: Any) -> None:
    """Use the parked connection between the forks."""
    _post(f"fork-{worker.age}")


def on_exit(server: Any) -> None:
    """Use it after every worker has ended."""
    _post("exit")


def _tell_threads() -> None:
    # The first hook to be registered is the last to be called: the pool's has been.
    if threading.active_count() > 1:
        sys.stderr.write(f"threads at a fork: {threading.enumerate()}\n")


os.register_at_fork(before=_tell_threads)


def _post(name: str) -> None:
    if os.environ.get("MAILSETUP_DEFAULT_HOST"):
        from django.db import connections

        from .site import post

        post(name)
        connections.close_all()
