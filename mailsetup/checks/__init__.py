"""System checks; each id has its heading in docs/checks.md.

Checks of rows run where a database is named (``check --database default``, ``migrate``), as
Django's own database checks do; the others ask no query. All speak English, as Django's do.
"""

from .profiles import (
    check_deployed_profiles,
    check_environment_account,
    check_outbox_database,
    check_profiles,
    check_tables,
)
from .site import check_backend, check_engine, check_environment, check_keys, check_settings

__all__ = [
    "check_backend",
    "check_deployed_profiles",
    "check_engine",
    "check_environment",
    "check_environment_account",
    "check_keys",
    "check_outbox_database",
    "check_profiles",
    "check_settings",
    "check_tables",
]
