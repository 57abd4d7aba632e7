"""Chooses the profile for a mail; the one place where rules about that belong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from mailsetup import effective
from mailsetup.effective import (
    Effective,
    Origin,
    Value,
    django_settings,
    from_row,
    secret_mark,
    secret_sentence,
)
from mailsetup.exceptions import InvalidProfileError, SecretUnavailableError
from mailsetup.smtp.account import Secret


def choose(
    slug: str | None, *, alias: str | None = None, arguments: Mapping[str, Any] | None = None
) -> Effective:
    """Return the account that a mail goes out by.

    Args:
        slug: the profile that the backend's ``OPTIONS`` name, or None for the default one.
        alias: the mailer of Django 6.1, or None.
        arguments: what the backend was given of the arguments of Django's SMTP backend, the
            password as a :class:`~mailsetup.smtp.account.Secret`. A host,
            port or encryption makes an account of its own; a username, password or timeout alone
            takes the place of the profile's.

    Raises:
        ConfigurationError: there is no such profile, or none at all.
    """
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    if slug is None and _are_options_of_default(alias, given):
        return effective.resolve(None, alias=alias)
    if slug is not None and given.keys() - {"username", "password", "timeout"}:
        raise InvalidProfileError(
            _("The mailer names the profile “%(profile)s” and a server of its own. Leave one out.")
            % {"profile": slug}
        )
    if slug is None and given.keys() - {"username", "password", "timeout"}:
        return _own_account(alias, given)
    found = effective.resolve(slug, alias=alias)
    return _with_overrides(found, given) if given else found


def makes_own_account(slug: str | None, *, alias: str | None, arguments: Mapping[str, Any]) -> bool:
    """Tell whether the backend was given parts of an account, which nobody else knows later.

    Args:
        slug, alias, arguments: as for :func:`choose`.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    return bool(given) and not (slug is None and _are_options_of_default(alias, given))


def _are_options_of_default(alias: str | None, given: Mapping[str, Any]) -> bool:
    """Tell the site's settings, which a profile outranks, from arguments that code gave.

    The OPTIONS of the default mailer are for Django 6.1 what ``EMAIL_HOST`` is before it.
    """
    options = django_settings.mailer_options(alias) if alias == "default" else {}
    return bool(options) and _without_password(given) == _without_password(options)


def _without_password(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "password"}


def _own_account(alias: str | None, given: Mapping[str, Any]) -> Effective:
    """Make an account as Django's SMTP backend does: arguments, then ``EMAIL_*`` settings."""
    options = dict(given)
    if alias is None:
        for name in django_settings.STOCK_OPTIONS:
            options.setdefault(name, django_settings.stock_value(name))
    return from_row(
        None, slug="", is_default=False, fallback=django_settings.as_fields(options, alias=alias)
    )


def _with_overrides(found: Effective, given: Mapping[str, Any]) -> Effective:
    """Put a username, password or timeout that code gave in the place of the profile's."""
    values = dict(found.values)
    for name in ("username", "timeout"):
        if name in given:
            values[name] = Value(given[name], Origin.SETTINGS)
    secret, mark = found.secret, found.secret_mark
    if "password" in given:
        secret, mark = given["password"], secret_mark(given["password"])
    elif values["username"].value != found["username"] and found.from_database:
        secret = Secret(lambda: _entered_for_another(found))
    if "username" in given or "password" in given:
        logs_in = bool(values["username"].value) and (
            "password" not in given or bool(given["password"].reveal())
        )
        values["login"] = Value("password" if logs_in else "none", Origin.SETTINGS)
    # What was wrong with a value does not matter once another one takes its place.
    problems = tuple(problem for problem in found.problems if problem.field not in given)
    return replace(
        found, values=values, secret=secret, secret_mark=mark, problems=problems, own=True
    )


def _entered_for_another(found: Effective) -> str:
    changed = ("username",)
    raise SecretUnavailableError(secret_sentence(found.slug, changed), changed=changed)
