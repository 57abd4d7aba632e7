"""Keeps the profiles in memory and notices edits, here and in other processes.

A look-up within ``PROBE_SECONDS`` of the last one costs no query. Later ones ask the database for
one mark and load the profiles again only where it changed. Inside a transaction every look-up
asks, so that a transaction sees its own edits and nothing of a rolled-back one stays.

Where the caller's connection cannot be used (an event loop, a transaction that is broken
already), the question is asked from a helper thread with a connection of its own.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    connections,
    router,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from mailsetup import conf
from mailsetup.effective import django_settings, environment
from mailsetup.effective.resolve import environment_of, from_row
from mailsetup.effective.threads import in_event_loop, in_thread, is_inherited
from mailsetup.effective.values import Effective
from mailsetup.exceptions import NoProfileError, ProfileNotFoundError, SettingsUnavailableError
from mailsetup.models import ProfilesVersion, SMTPProfile
from mailsetup.models.profile import choose_new_default
from mailsetup.smtp.pool import pool

logger = logging.getLogger("mailsetup")
T = TypeVar("T")


@dataclass(slots=True)
class _Snapshot:
    """The profiles as they were at one moment."""

    mark: str
    rows: dict[str, SMTPProfile]
    database: str
    # Monotonic time up to which no probe is needed; 0 for a snapshot only ever read inside a
    # transaction that may yet be rolled back.
    good_until: float = 0.0
    # Whether it was told in the log that it serves for want of the database.
    told: bool = False
    # Whether the tables are not there yet.
    unmigrated: bool = False
    resolved: dict[str | None, Effective] = field(default_factory=dict)

    @property
    def default_row(self) -> SMTPProfile | None:
        return next((row for row in self.rows.values() if row.is_default), None)


_current: _Snapshot | None = None
_of_thread = threading.local()
# How often it was forgotten: what was read meanwhile may be older than the edit.
_forgotten = 0


def resolve(slug: str | None = None, *, alias: str | None = None) -> Effective:
    """Return the profile in force.

    Args:
        slug: the profile's name; None for the default profile.
        alias: the mailer of Django 6.1 whose OPTIONS serve while there is no profile.

    Raises:
        NoProfileError: nothing tells how to send.
        ProfileNotFoundError: no profile has this name.
        SettingsUnavailableError: the database cannot be read and no profile is in memory.
    """
    snapshot = _fresh()
    if (known := snapshot.resolved.get(slug)) is not None:
        return known
    found = _look_up(snapshot, slug)
    if found is None:
        if slug is not None:
            raise ProfileNotFoundError(_not_found(snapshot, slug))
        # Not kept: settings may be overridden for the length of a test.
        return _from_settings(alias, snapshot)
    if not found.problems:
        # A problem's sentence is in the language of who asked first.
        snapshot.resolved[slug] = found
    return found


def environment_slugs() -> list[str]:
    """Return the names of the profiles that the environment gives alone, with no row."""
    rows = _fresh().rows
    stored = {environment.environment_name(slug) for slug in rows}
    if any(row.is_default for row in rows.values()):
        stored.add("DEFAULT")
    names = environment.standalone_names()
    return [name for name in names if environment.environment_name(name) not in stored]


def known_slugs() -> list[str]:
    """Return the names of the stored profiles, the default one first."""
    rows = _fresh().rows.values()
    return [row.slug for row in sorted(rows, key=lambda row: (not row.is_default, row.slug))]


def forget() -> None:
    """Drop what is in memory, so that the next look-up reads everything again."""
    global _current, _forgotten  # noqa: PLW0603 - one snapshot a process is the point of this module
    _current = None
    _forgotten += 1


def on_mark_changed(*, using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Receive ``post_save`` of the mark, which every change of a profile leaves."""
    forget()
    # Another thread may read what was there before, until the transaction is through.
    transaction.on_commit(forget, using=using)


def on_profile_changed(*, instance: SMTPProfile, **kwargs: Any) -> None:
    """Receive ``post_save`` of a profile, that of a loaded fixture too."""
    ProfilesVersion.bump()
    pool.retire(instance.slug)


def on_profile_deleted(*, instance: SMTPProfile, **kwargs: Any) -> None:
    """Receive ``post_delete`` of a profile: another one becomes the default."""
    ProfilesVersion.bump()
    choose_new_default()
    pool.retire(instance.slug)


def on_tables_changed(**kwargs: Any) -> None:
    """Receive ``post_migrate``: the tables were made, changed or emptied."""
    forget()


def _look_up(snapshot: _Snapshot, slug: str | None) -> Effective | None:
    if slug is not None and (row := snapshot.rows.get(slug)) is not None:
        return from_row(row, slug=slug, is_default=row.is_default)
    if slug in {None, "default"}:
        if (row := snapshot.default_row) is not None:
            return from_row(row, slug=row.slug, is_default=True)
        slug, is_default = "default", True
    else:
        is_default = False
    if environment_of(slug, is_default=is_default):
        return from_row(None, slug=slug, is_default=is_default)
    return None


def _from_settings(alias: str | None, snapshot: _Snapshot) -> Effective:
    # A mailer without a server of its own stands for the default one's.
    options = django_settings.configured(alias) or django_settings.configured()
    if not options and snapshot.unmigrated:
        raise NoProfileError(_("The tables of mailsetup are missing. Run: manage.py migrate"))
    if not options:
        raise NoProfileError(
            _(
                "No mail account is set up. Add one in the admin under “SMTP profiles”, "
                "or set MAILSETUP_DEFAULT_URL in the environment."
            )
        )
    fallback = django_settings.as_fields(options)
    return from_row(None, slug="", is_default=False, fallback=fallback)


def _not_found(snapshot: _Snapshot, slug: str) -> str:
    known = {*snapshot.rows, *environment.standalone_names()}
    names = ", ".join(sorted(known)) or _("none")
    return _("There is no SMTP profile named “%(slug)s”. The profiles are: %(names)s.") % {
        "slug": slug,
        "names": names,
    }


def _fresh() -> _Snapshot:
    """Return a snapshot that is no older than allowed."""
    snapshot = _current
    if (
        snapshot is not None
        and time.monotonic() < snapshot.good_until
        and snapshot.database == _database()
        and not _connection(snapshot.database).in_atomic_block
    ):
        return snapshot
    return _probed(snapshot)


def _connection(database: str) -> BaseDatabaseWrapper:
    """Return this thread's connection; asking Django for it is most of what a look-up costs."""
    known = getattr(_of_thread, database, None)
    if known is not None:
        return known
    connection = connections[database]
    if not in_event_loop():
        # There each task has its own.
        setattr(_of_thread, database, connection)
    return connection


def _database() -> str:
    """Return where the profiles are; a router may say another one for each request."""
    # Without routers there is nothing to ask, and this runs for every mail.
    return router.db_for_read(SMTPProfile) if router.routers else DEFAULT_DB_ALIAS


def _probed(snapshot: _Snapshot | None) -> _Snapshot:
    """Return the snapshot if the database still has its mark, or a new one."""
    global _current  # noqa: PLW0603 - one snapshot a process is the point of this module
    database = _database()
    connection = _connection(database)
    elsewhere = connection.needs_rollback or in_event_loop() or is_inherited(database)
    good_until = time.monotonic() + conf.option("PROBE_SECONDS")
    forgotten = _forgotten
    try:
        reload = in_thread if elsewhere else _call
        loaded = reload(_reload, snapshot, database)
    except (DatabaseError, InterfaceError) as error:
        return _last_good(snapshot, error)
    except Exception as error:
        if not _without_database(error):
            raise
        return _Snapshot(mark="", rows={}, database=database)
    # What is read inside a transaction may yet be rolled back: it is good for this once.
    if elsewhere or not connection.in_atomic_block:
        loaded.good_until = good_until
    loaded.told = False
    if forgotten == _forgotten:
        _current = loaded
    return loaded


def _reload(snapshot: _Snapshot | None, database: str) -> _Snapshot:
    """Ask for the mark, and read the profiles where it is another one."""
    try:
        mark = ProfilesVersion.current(_connection(database))
        if snapshot is not None and snapshot.mark == mark and snapshot.database == database:
            return snapshot
        rows = {row.slug: row for row in SMTPProfile.objects.all()}
    except DatabaseError:
        if _tables_missing(database):
            return _Snapshot(mark="", rows={}, database=database, unmigrated=True)
        raise
    return _Snapshot(mark=mark, rows=rows, database=database)


def _call(function: Callable[..., T], *args: Any) -> T:
    return function(*args)


def _tables_missing(database: str) -> bool:
    """Tell a site that has not run ``migrate`` yet from a database that fails."""
    connection = connections[database]
    if connection.in_atomic_block:
        return False
    try:
        return ProfilesVersion._meta.db_table not in connection.introspection.table_names()
    except DatabaseError:
        return False


def _last_good(snapshot: _Snapshot | None, error: Exception) -> _Snapshot:
    if snapshot is None or not snapshot.good_until:
        raise SettingsUnavailableError(
            _("The mail settings cannot be read from the database (%(reason)s).")
            % {"reason": str(error).strip() or type(error).__name__}
        ) from error
    if not snapshot.told:
        # Once for each outage, and noted before: a log handler that mails comes here again.
        snapshot.told = True
        logger.warning(
            "The mail settings cannot be read from the database; the last good ones serve: %s",
            str(error).strip(),
        )
    return snapshot


def _without_database(error: Exception) -> bool:
    """Tell whether this process has no database at all, rather than one that fails.

    That is a site without ``DATABASES``, and a test that may not touch the database: there the
    site's own settings serve, as they do for Django's SMTP backend.
    """
    return isinstance(error, ImproperlyConfigured) or (
        type(error).__name__ == "DatabaseOperationForbidden"
        or (isinstance(error, RuntimeError) and "Database access not allowed" in str(error))
    )
