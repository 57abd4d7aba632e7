"""Checks of the site's settings, its environment and its keys; they ask no query."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, InterfaceError
from django.utils.translation import override

from mailsetup import conf, conf_values, vault
from mailsetup.checks import rows
from mailsetup.delivery.outbox import engines
from mailsetup.delivery.rotation import anything_sealed
from mailsetup.effective import django_settings, environment
from mailsetup.effective.django_settings import BACKEND, DJANGO_SMTP
from mailsetup.exceptions import ConfigurationError

_VARIABLE_HINT = (
    "Check its spelling. After the profile's name stands one of: "
    + ", ".join(sorted([*map(str.upper, environment.FIELDS), "PASSWORD_FILE", "CA_FILE", "URL"]))
    + "."
)


@register("mail")
@override("en")
def check_environment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report variables and keys that cannot be used (E002, E003, W009)."""
    messages: list[CheckMessage] = []
    messages += [
        Error(f"{problem.variable}: {problem.message}", id="mailsetup.E002")
        for problem in rows.environment_problems()
    ]
    messages += [
        CheckWarning(
            f"No profile listens to the variable {variable}.",
            hint=_hint(variable),
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
@override("en")
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
@override("en")
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
                    hint=f"Set {_timeout_setting()}: a number of seconds.",
                    id="mailsetup.W006",
                )
            )
    return messages


@register("mail")
@override("en")
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
@override("en")
def check_keys(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report that secrets are sealed by a key derived from SECRET_KEY (W002)."""
    if conf.configured_keys():
        return []
    subject = "Mail passwords and contents of mails, where any are stored,"
    if rows.asked_of_rows(databases):
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


def _hint(variable: str) -> str:
    """Return what a variable that nothing reads may have been meant for."""
    # The names of the app's own variables, one of which is easily taken for another.
    likely = get_close_matches(variable, ["MAILSETUP_KEYS"], n=1, cutoff=0.85)
    return f"Do you mean {likely[0]}?" if likely else _VARIABLE_HINT


def _timeout_setting() -> str:
    # Beside MAILERS, Django 6.1 refuses the settings of old.
    if django_settings.uses_mailers():
        return '"timeout" in its OPTIONS'
    return "EMAIL_TIMEOUT"


def _timeout(alias: str) -> Any:
    if django_settings.uses_mailers():
        return django_settings.mailer_options(alias).get("timeout")
    return django_settings.stock_value("timeout")
