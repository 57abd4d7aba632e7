"""Checks of profiles and of the tables that they stand in."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, router
from django.utils.translation import override

from mailsetup import effective
from mailsetup.checks import rows
from mailsetup.effective import Effective, django_settings, environment
from mailsetup.exceptions import ConfigurationError, NoProfileError, SecretUnavailableError
from mailsetup.models import Message, SMTPProfile
from mailsetup.models.profile import needs_plaintext_consent
from mailsetup.models.tables import meets_in_deadlocks, turns_writers_away, unapplied_migrations


@register(Tags.security, deploy=True)
@override("en")
def check_environment_account(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report an unsafe account that the environment gives (W003, W004)."""
    messages: list[CheckMessage] = []
    names = environment.standalone_names()
    if rows.asked_of_rows(databases) and rows.profiles(databases) is not None:
        # Others are a stored profile's.
        names = effective.environment_slugs()
    for name in names:
        found = environment.read(name)
        if "host" in found.values and not found.problems:
            account = effective.from_row(None, slug=name, is_default=name == "default")
            messages += _unsafe(account)
    return messages


@register(Tags.database)
@override("en")
def check_tables(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report that the tables are missing or older than the code (W010)."""
    # ``migrate`` checks first, and then does what this would ask for.
    if rows.database() not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
        return []
    missing = unapplied_migrations()
    if not missing:
        return []
    return [
        CheckWarning(
            "The tables of mailsetup are missing or older than its code; not applied yet: "
            f"{', '.join(missing)}.",
            hint="Run “manage.py migrate”.",
            id="mailsetup.W010",
        )
    ]


@register(Tags.database)
@override("en")
def check_outbox_database(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report a database that turns mail for the background away (W012, W013)."""
    database = router.db_for_write(Message) or DEFAULT_DB_ALIAS
    messages: list[CheckMessage] = []
    if turns_writers_away(database):
        messages = [
            CheckWarning(
                f"Mail goes to the background, and the SQLite database “{database}” may turn it "
                "away with “database is locked” while another process writes.",
                hint='Set "transaction_mode": "IMMEDIATE" in its OPTIONS.',
                id="mailsetup.W012",
            )
        ]
    elif meets_in_deadlocks(database):
        messages = [
            CheckWarning(
                f"Mail goes to the background, and the MySQL database “{database}” may turn it "
                "away with a deadlock while workers claim others.",
                hint='Leave "isolation_level" in its OPTIONS at "read committed".',
                id="mailsetup.W013",
            )
        ]
    profiles = rows.profiles(databases) if messages else None
    if profiles is None:
        return []
    found = [rows.in_force(profile) for profile in profiles]
    found += [effective.resolve(name) for name in effective.environment_slugs()]
    return messages if any(one["sending"] == "background" for one in found) else []


@register(Tags.database)
@override("en")
def check_profiles(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report what does not serve: names, variables, passwords (E001, E002, W001, W008)."""
    profiles = rows.profiles(databases)
    if profiles is None:
        return []
    messages: list[CheckMessage] = [
        Error(
            f"The profiles “{first}” and “{second}” listen to the same environment variables.",
            hint="Rename one of them.",
            id="mailsetup.E001",
        )
        for first, second in environment.colliding_slugs(rows.names(profiles))
    ]
    told = environment.unknown_variables()
    messages += [
        CheckWarning(
            f"No profile listens to the variable {variable}.",
            hint="Check the profile's name in it: there is none of that name.",
            id="mailsetup.W009",
        )
        for variable in environment.unknown_variables(slugs=rows.names(profiles))
        if variable not in told
    ]
    messages += _check_default()
    reported = {problem.variable for problem in rows.environment_problems()}
    for profile in profiles:
        found = rows.in_force(profile)
        messages += [
            Error(
                f"{problem.variable or profile.slug}: {problem.message}",
                obj=profile,
                id="mailsetup.E002",
            )
            for problem in found.problems
            if problem.variable not in reported
        ]
        messages += _check_secret(found, profile)
    for name in effective.environment_slugs():
        messages += _check_secret(effective.resolve(name))
    return messages


@register(Tags.database, deploy=True)
@override("en")
def check_deployed_profiles(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report profiles that are unsafe in production (W003, W004, W005)."""
    profiles = rows.profiles(databases) or []
    messages: list[CheckMessage] = []
    for profile in profiles:
        if profile.active:
            messages += _unsafe(rows.in_force(profile))
    if settings.DEBUG and any(profile.password_sealed for profile in profiles):
        messages.append(
            CheckWarning(
                "DEBUG is on while mail passwords are stored.",
                hint="Set DEBUG = False: its error pages show more than anyone should see.",
                id="mailsetup.W005",
            )
        )
    return messages


def _check_default() -> list[CheckMessage]:
    if django_settings.replaced_by_test_runner():
        # Nobody's mail goes by the profiles of a database for tests.
        return []
    try:
        effective.resolve().require_usable()
    except NoProfileError as error:
        return [CheckWarning(str(error), id="mailsetup.W001")]
    except ConfigurationError as error:
        return [CheckWarning(f"The default profile cannot send: {error}", id="mailsetup.W001")]
    return []


def _check_secret(found: Effective, profile: SMTPProfile | None = None) -> list[CheckMessage]:
    if found["login"] == "none" or found.spoils_secret:
        return []
    try:
        found.secret.reveal()
    except SecretUnavailableError as error:
        return [CheckWarning(str(error), obj=profile, id="mailsetup.W008")]
    except ConfigurationError:
        # The key itself is of no use: E003 says so once.
        return []
    return []


def _unsafe(found: Effective) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if needs_plaintext_consent(
        encryption=found["encryption"], login=found["login"], host=found["host"]
    ):
        does = "sends" if found["allow_plaintext"] else "would send"
        messages.append(
            CheckWarning(
                f"The profile “{found.slug}” {does} its password unencrypted to {found['host']}.",
                hint="Choose STARTTLS or TLS.",
                id="mailsetup.W003",
            )
        )
    if not found["verify"] and found["encryption"] != "none":
        messages.append(
            CheckWarning(
                f"The profile “{found.slug}” does not verify the server's certificate.",
                hint="Switch it on; for an authority of your own give its CA certificate.",
                id="mailsetup.W004",
            )
        )
    return messages
