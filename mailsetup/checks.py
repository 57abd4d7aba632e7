"""System checks; each id has its heading in docs/checks.md.

Checks of rows run where a database is named (``check --database default``, ``migrate``), as
Django's own database checks do; the others ask no query.
"""

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import django
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, router

from mailsetup import conf, conf_values, effective, vault
from mailsetup.delivery.outbox import engines
from mailsetup.delivery.rotation import anything_sealed
from mailsetup.effective import Effective, django_settings, environment
from mailsetup.effective.django_settings import BACKEND, DJANGO_SMTP
from mailsetup.exceptions import ConfigurationError, NoProfileError, SecretUnavailableError
from mailsetup.models import Message, SMTPProfile
from mailsetup.models.profile import needs_plaintext_consent
from mailsetup.models.tables import turns_writers_away, unapplied_migrations

_VARIABLE_HINT = (
    "Check its spelling. After the profile's name stands one of: "
    + ", ".join(sorted([*map(str.upper, environment.FIELDS), "PASSWORD_FILE", "CA_FILE", "URL"]))
    + "."
)


@register("mail")
def check_environment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report variables and keys that cannot be used (E002, E003, W009)."""
    messages: list[CheckMessage] = []
    messages += [
        Error(f"{problem.variable}: {problem.message}", id="mailsetup.E002")
        for problem in _environment_problems()
    ]
    messages += [
        CheckWarning(
            f"No profile listens to the variable {variable}.",
            hint=_VARIABLE_HINT,
            id="mailsetup.W009",
        )
        for variable in environment.unknown_variables()
    ]
    try:
        vault.seal("", bound_to={})
    except ConfigurationError as error:
        messages.append(Error(str(error), id="mailsetup.E003"))
    return messages


@register("mail")
def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report what cannot be used of the dictionary MAILSETUP (E005), or is not read (W011)."""
    messages: list[CheckMessage] = [
        Error(
            sentence,
            hint="Correct it, or leave it out to have the default.",
            id="mailsetup.E005",
        )
        for sentence in conf_values.unusable()
    ]
    return messages + [
        CheckWarning(
            f"MAILSETUP has no setting {name!r}.",
            hint=f"Do you mean {likely!r}?" if likely else "Take it out.",
            id="mailsetup.W011",
        )
        for name, likely in conf_values.unknown()
    ]


@register("mail")
def check_backend(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report that mail goes another way (W007), or may wait for ever (W006)."""
    backends = django_settings.backends_in_force()
    messages: list[CheckMessage] = []
    replaced = django_settings.replaced_by_test_runner()
    if not (replaced or django_settings.sends_by_us()):
        in_force = ", ".join(sorted(set(backends.values()))) or "none"
        messages.append(
            CheckWarning(
                f"No mail goes through mailsetup: the backend in force is {in_force}.",
                hint=f'Set EMAIL_BACKEND = "{BACKEND}", or BACKEND in MAILERS from Django 6.1 on.',
                id="mailsetup.W007",
            )
        )
    for alias, backend in backends.items():
        if backend == DJANGO_SMTP and _timeout(alias) is None:
            messages.append(
                CheckWarning(
                    f"The mailer “{alias}” waits for its server without a limit.",
                    hint='Set EMAIL_TIMEOUT, or "timeout" in its OPTIONS: a number of seconds.',
                    id="mailsetup.W006",
                )
            )
    return messages


@register("mail")
def check_engine(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report an engine that cannot be loaded (E004)."""
    try:
        engines.load()
    except Exception as error:  # noqa: BLE001 - whatever a module of the site's raises
        return [
            Error(
                f"The engine “{conf.option('ENGINE')}” for mail in the background cannot be "
                f"loaded: {error}",
                hint=f"Set ENGINE in MAILSETUP to one of {', '.join(engines.NAMES)}, or to the "
                "dotted path of a callable.",
                id="mailsetup.E004",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_keys(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report that secrets are sealed by a key derived from SECRET_KEY (W002)."""
    if conf.configured_keys():
        return []
    subject = "Mail passwords and contents of mails, where any are stored,"
    if _asked_of_rows(databases):
        with suppress(DatabaseError, InterfaceError):
            if not anything_sealed():
                return []
            subject = "Stored mail passwords and contents of mails"
    return [
        CheckWarning(
            f"{subject} are sealed with a key derived from SECRET_KEY: they are lost when it "
            "changes.",
            hint=(
                "Make a key with “manage.py mailsetup_generate_key”, set MAILSETUP_KEYS in the "
                "environment, and run “manage.py mailsetup_rotate_keys”."
            ),
            id="mailsetup.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_environment_account(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report an unsafe account that the environment gives (W003, W004)."""
    messages: list[CheckMessage] = []
    for name in environment.standalone_names():
        found = environment.read(name)
        if "host" in found.values and not found.problems:
            account = effective.from_row(None, slug=name, is_default=name == "default")
            messages += _unsafe(account)
    return messages


@register(Tags.database)
def check_tables(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report that the tables are missing or older than the code (W010)."""
    # ``migrate`` checks first, and then does what this would ask for.
    if _database() not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
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
def check_sqlite(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report an SQLite that turns mails away where several processes write (W012)."""
    database = router.db_for_write(Message) or DEFAULT_DB_ALIAS
    if not turns_writers_away(database):
        return []
    profiles = _profiles(databases)
    if profiles is None:
        return []
    found = [_in_force(profile) for profile in profiles]
    found += [effective.resolve(name) for name in effective.environment_slugs()]
    if not any(one["sending"] == "background" for one in found):
        return []
    return [
        CheckWarning(
            f"Mail goes to the background, and the SQLite database “{database}” may turn it away "
            "with “database is locked” while another process writes.",
            hint='Set "transaction_mode": "IMMEDIATE" in its OPTIONS.',
            id="mailsetup.W012",
        )
    ]


@register(Tags.database)
def check_profiles(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report what does not serve: names, variables, passwords (E001, E002, W001, W008)."""
    profiles = _profiles(databases)
    if profiles is None:
        return []
    messages: list[CheckMessage] = [
        Error(
            f"The profiles “{first}” and “{second}” listen to the same environment variables.",
            hint="Rename one of them.",
            id="mailsetup.E001",
        )
        for first, second in environment.colliding_slugs(_names(profiles))
    ]
    told = environment.unknown_variables()
    messages += [
        CheckWarning(
            f"No profile listens to the variable {variable}.",
            hint="Check the profile's name in it: there is none of that name.",
            id="mailsetup.W009",
        )
        for variable in environment.unknown_variables(slugs=_names(profiles))
        if variable not in told
    ]
    messages += _check_default()
    reported = {problem.variable for problem in _environment_problems()}
    for profile in profiles:
        found = _in_force(profile)
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
def check_deployed_profiles(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report profiles that are unsafe in production (W003, W004, W005)."""
    profiles = _profiles(databases) or []
    messages: list[CheckMessage] = []
    for profile in profiles:
        if profile.active:
            messages += _unsafe(_in_force(profile))
    if settings.DEBUG and any(profile.password_sealed for profile in profiles):
        messages.append(
            CheckWarning(
                "DEBUG is on while mail passwords are stored.",
                hint="Set DEBUG = False: its error pages show more than anyone should see.",
                id="mailsetup.W005",
            )
        )
    return messages


def _timeout(alias: str) -> Any:
    if django_settings.uses_mailers():
        return django_settings.mailer_options(alias).get("timeout")
    return django_settings.stock_value("timeout")


def _database() -> str:
    return router.db_for_read(SMTPProfile) or DEFAULT_DB_ALIAS


def _asked_of_rows(databases: Iterable[str] | None) -> bool:
    """Tell whether somebody has named our database, for a check that runs without one too."""
    # Django 6.1 hands every database to such a check when none was named.
    named = django.VERSION < (6, 1) or any(word.startswith("--database") for word in sys.argv)
    return named and _database() in (databases or ())


def _profiles(databases: Iterable[str] | None) -> list[SMTPProfile] | None:
    """Return the profiles where the check may read them; None before the tables exist."""
    if _database() not in (databases or ()):
        return None
    try:
        return list(SMTPProfile.objects.all())
    except (DatabaseError, InterfaceError):
        return None


def _in_force(profile: SMTPProfile) -> Effective:
    return effective.from_row(profile, slug=profile.slug, is_default=profile.is_default)


def _names(profiles: Iterable[SMTPProfile]) -> list[str]:
    """Return the names that variables are read by: the default profile hears “default” too."""
    names = {profile.slug: environment.environment_name(profile.slug) for profile in profiles}
    default = next((profile.slug for profile in profiles if profile.is_default), "")
    return [*names] if names.get(default) == "DEFAULT" else [*{*names, "default"}]


def _environment_problems() -> list[environment.Problem]:
    """Return what cannot be used of the variables that need no row to be found."""
    names = {"default", *environment.standalone_names()}
    return [problem for name in sorted(names) for problem in environment.read(name).problems]


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
    told_already = any(problem.field == "password" for problem in found.problems)
    if found["login"] == "none" or told_already:
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
        messages.append(
            CheckWarning(
                f"The profile “{found.slug}” sends its password unencrypted to {found['host']}.",
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
