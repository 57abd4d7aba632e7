"""A site with an outbox in a folder, and a server that keeps what it accepts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.delivery.outbox.postbox import Postbox


def set_up(folder: Path, box: Postbox | None = None, **fields: object) -> None:
    """Configure Django with a database in that folder, and store a profile of the server."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.delivery.outbox.apart.settings",
        "SITE_DATABASE": str(folder / "site.sqlite3"),
        "SITE_CONTENT": str(folder / "content"),
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for the tests",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    if box is not None:
        from tests.delivery.outbox.conftest import store_boxed

        store_boxed(box, **({"timeout": 10} | fields))


def forked(work) -> int:
    """Run *work* in a child; return how it ended. Nothing of the parent's is open at that time."""
    from django.db import connections

    from mailsetup import effective
    from mailsetup.smtp.pool import pool

    connections.close_all()
    pool.close_all()
    pid = os.fork()
    if pid:
        _pid, status = os.waitpid(pid, 0)
        effective.forget()
        return os.waitstatus_to_exitcode(status)
    # Nothing of the parent's is tidied up by the child, whatever happens.
    code = 99
    try:
        work()
        code = 0
    except BaseException as error:
        sys.stderr.write(repr(error))
        sys.stderr.flush()
    finally:
        os._exit(code)


def say(found: Any) -> NoReturn:
    """Print what was found, and end; the server's threads end with the process."""
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)
