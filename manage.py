#!/usr/bin/env python
"""Runs Django's commands on the example site; ``manage.py demo`` runs them on the demo's own."""

import os
import sys


def main() -> None:
    """Choose the settings and hand over to Django."""
    if sys.argv[1:2] == ["demo"]:
        # Forced: the demo creates an administrator, which must never happen in another database.
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.demo.settings"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ImportError:
        sys.exit("Django is not installed for this Python. Run `make demo`, or activate .venv.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
