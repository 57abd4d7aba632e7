"""Tells whether the app's tables are there, and as new as the code that uses them."""

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from mailsetup.models.profile import SMTPProfile


def unapplied_migrations(database: str | None = None) -> list[str]:
    """Return the names of this app's migrations that a database still lacks.

    It reads all migrations of the site, so it is for checks and for what has failed already.

    Args:
        database: its alias; by default the one that the profiles are read from.

    Returns:
        the names in their order, as ``app.migration``; none where the database does not answer.
    """
    connection = connections[database or router.db_for_read(SMTPProfile) or DEFAULT_DB_ALIAS]
    # PostgreSQL answers nothing more in a transaction that has failed; a new connection hears.
    asked = connection.copy() if connection.in_atomic_block else connection
    label = SMTPProfile._meta.app_label
    try:
        applied = _applied(asked, label)
    except DatabaseError:
        return []
    finally:
        if asked is not connection:
            asked.close()
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    own = {name for app, name in loader.disk_migrations if app == label}
    return [f"{label}.{name}" for name in sorted(own - applied)]


def _applied(connection: BaseDatabaseWrapper, label: str) -> set[str]:
    """Ask past the ORM, which would take the connection of the same alias."""
    table = MigrationRecorder.Migration._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return set()
        name = connection.ops.quote_name(table)
        cursor.execute(f"SELECT name FROM {name} WHERE app = %s", [label])  # noqa: S608 - the table's own name
        return {row[0] for row in cursor.fetchall()}


def turns_writers_away(database: str) -> bool:
    """Tell whether a transaction there may fail at once where another process writes.

    On SQLite one that has read before it writes cannot wait, unless it began with IMMEDIATE.

    Args:
        database: its alias.
    """
    connection = connections[database]
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode") or ""
    return connection.vendor == "sqlite" and str(mode).upper() not in {"IMMEDIATE", "EXCLUSIVE"}


def meets_in_deadlocks(database: str) -> bool:
    """Tell whether who stores mail there and who claims it lock each other's gaps.

    MySQL and MariaDB do so under REPEATABLE READ, which is theirs; Django's own is READ COMMITTED.

    Args:
        database: its alias.
    """
    connection = connections[database]
    # None leaves the server's own.
    level = connection.settings_dict["OPTIONS"].get("isolation_level", "read committed")
    strict = {"repeatable read", "serializable"}
    return connection.vendor == "mysql" and (level or "repeatable read").lower() in strict
