"""Puts a profile together: environment over row over Django's own settings over default."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from mailsetup.effective import environment
from mailsetup.effective.environment import EnvironmentValues, Problem
from mailsetup.effective.values import FIELD_NAMES, Effective, Origin, Value, secret_mark
from mailsetup.exceptions import SecretUnavailableError
from mailsetup.models.profile import DEFAULT_PORTS, Destination, SMTPProfile
from mailsetup.smtp.account import Secret
from mailsetup.vault import time_mark


def from_row(
    row: SMTPProfile | None,
    *,
    slug: str,
    is_default: bool,
    fallback: Mapping[str, Any] | None = None,
) -> Effective:
    """Put one profile together.

    Args:
        row: the stored profile, or None for one that the environment gives alone.
        slug: its name.
        is_default: whether ``MAILSETUP_DEFAULT_…`` speaks of it too.
        fallback: the site's own settings as fields, where nothing else is known.
    """
    found = environment_of(slug, is_default=is_default)
    values: dict[str, Value] = {}
    for name in FIELD_NAMES:
        if name in found.values:
            values[name] = Value(found.values[name], Origin.ENVIRONMENT, found.variables[name])
        elif name in found.variables:
            # It cannot be used (there is a problem for it): the field stays locked all the same.
            values[name] = Value(_default(name), Origin.ENVIRONMENT, found.variables[name])
        elif row is not None and name != "password":
            values[name] = Value(getattr(row, name), Origin.DATABASE)
        elif fallback and fallback.get(name) is not None:
            values[name] = Value(fallback[name], Origin.SETTINGS)
        elif fallback and name == "force_from_email":
            # The site's own settings serve as they do with Django's backend.
            values[name] = Value(False, Origin.DEFAULT)
        else:
            values[name] = Value(_default(name), Origin.DEFAULT)
    if row is None and not fallback:
        _complete(values, found)
    problems = found.problems or _gaps(values)
    if row is not None:
        problems = [*problems, *_row_problems(row, found)]
    effective = Effective(
        slug=slug,
        values=values,
        secret=Secret(""),
        problems=tuple(problems),
        uuid=row.uuid if row is not None else None,
        revision=row.revision if row is not None else 0,
        provider=row.provider if row is not None else "",
        client_certificate=_client_certificate(fallback),
        own=fallback is not None,
    )
    return _with_secret(effective, row, values["password"])


def draft(
    effective: Effective, fields: Mapping[str, Any], secret: str | Callable[[], str]
) -> Effective:
    """Return the profile with values typed in the form, locked fields left as they are.

    Args:
        effective: the profile as it is in force.
        fields: the values typed.
        secret: the password typed, or how to get the stored one.
    """
    values = dict(effective.values)
    for name in FIELD_NAMES:
        if values[name].origin != Origin.ENVIRONMENT and name in fields and name != "password":
            values[name] = Value(fields[name], Origin.FORM)
    if values["password"].origin == Origin.ENVIRONMENT:
        new_secret = effective.secret
    else:
        values["password"] = Value(None, Origin.FORM)
        new_secret = Secret(secret)
    variable_problems = tuple(problem for problem in effective.problems if problem.variable)
    return replace(
        effective,
        values=values,
        secret=new_secret,
        problems=variable_problems,
        provider=fields.get("provider", effective.provider),
    )


def environment_of(slug: str, *, is_default: bool) -> EnvironmentValues:
    """Read a profile's variables; the default profile hears ``MAILSETUP_DEFAULT_…`` as well."""
    # An account without a name, made of settings or arguments, hears no variable.
    hears = bool(slug) and (slug != "default" or is_default)
    found = environment.read(slug) if hears else EnvironmentValues()
    if is_default and slug != "default":
        general = environment.read("default")
        # The profile's own variable is the more exact one.
        own = found.variables
        general.problems = [p for p in general.problems if p.field not in own]
        found.values = {n: v for n, v in general.values.items() if n not in own} | found.values
        found.variables = general.variables | own
        found.problems += general.problems
    return found


def _default(name: str) -> Any:
    if name == "password":
        return None
    return SMTPProfile._meta.get_field(name).get_default()


def _complete(values: dict[str, Value], found: EnvironmentValues) -> None:
    """Fill in what follows from the variables where they stand alone: port, encryption, login."""
    if "encryption" not in found.variables:
        implicit = found.values.get("port") == DEFAULT_PORTS["tls"]
        values["encryption"] = Value("tls" if implicit else "starttls", Origin.DEFAULT)
    if "port" not in found.variables:
        port = DEFAULT_PORTS[values["encryption"].value]
        values["port"] = Value(port, Origin.DEFAULT)
    if "login" not in found.variables:
        named = found.values.get("username") or "password" in found.variables
        values["login"] = Value("password" if named else "none", Origin.DEFAULT)


def _gaps(values: Mapping[str, Value]) -> list[Problem]:
    """Find what an account cannot do without."""
    if not values["host"].value:
        return [Problem("host", _("The host is missing."))]
    if values["login"].value != "none" and not values["username"].value:
        return [Problem("username", _("The username is missing."))]
    return []


def _row_problems(row: SMTPProfile, found: EnvironmentValues) -> list[Problem]:
    """Find values that a hand put into the row past the form; the environment's are not asked."""
    problems = []
    skipped = {*found.variables, "slug", "uuid", "created_at", "updated_at", "revision"}
    try:
        row.clean_fields(exclude=skipped)
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            problems.append(Problem(name, " ".join(messages)))
    return problems


def _client_certificate(fallback: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    if not fallback:
        return (None, None)
    paths = fallback.get("certfile"), fallback.get("keyfile")
    certfile, keyfile = (str(Path(path)) if path else None for path in paths)
    return certfile, keyfile


def _with_secret(effective: Effective, row: SMTPProfile | None, value: Value) -> Effective:
    """Attach the secret, and take its value out of what is shown."""
    mark, entered = "", ""
    if isinstance(value.value, Secret) and value.value.reveal():
        secret, mark = value.value, secret_mark(value.value)
        shown = replace(value, value=None)
    elif value.origin in {Origin.ENVIRONMENT, Origin.SETTINGS}:
        secret = Secret(lambda: _missing(effective.slug, value.variable))
        shown = replace(value, value=None)
    elif row is not None and row.password_sealed:
        destination = effective.destination
        secret, entered = Secret(lambda: _open(row, destination)), time_mark(row.password_sealed)
        shown = Value(None, Origin.DATABASE)
    else:
        secret = Secret(lambda: _missing(effective.slug))
        shown = Value(None, Origin.DEFAULT)
    values = {**effective.values, "password": shown}
    return replace(effective, values=values, secret=secret, secret_mark=mark, password_mark=entered)


def _open(row: SMTPProfile, destination: Destination) -> str:
    try:
        return row.get_password(destination)
    except SecretUnavailableError as error:
        changed = error.changed
    raise SecretUnavailableError(secret_sentence(row.slug, changed), changed=changed)


def secret_sentence(slug: str, changed: Iterable[str]) -> str:
    """Say why a stored secret does not open, and what to do about it.

    Args:
        slug: the profile's name.
        changed: ``SecretUnavailableError.changed``.
    """
    names = [
        str(SMTPProfile._meta.get_field(name).verbose_name)
        for name in changed
        if name in Destination._fields
    ]
    if names:
        return _(
            "The password of the profile “%(profile)s” was entered for other settings "
            "(%(fields)s). Enter the password again."
        ) % {"profile": slug, "fields": ", ".join(names)}
    if changed:
        return _(
            "The password of the profile “%(profile)s” was entered for another profile. "
            "Enter the password again."
        ) % {"profile": slug}
    return _(
        "The password of the profile “%(profile)s” cannot be opened with the keys of this site. "
        "Enter the password again."
    ) % {"profile": slug}


def _missing(slug: str, variable: str = "") -> str:
    if variable:
        raise SecretUnavailableError(
            _("The variable %(variable)s is empty. Put the password there.")
            % {"variable": variable}
        )
    raise SecretUnavailableError(
        _("The profile “%(profile)s” has no password. Enter the password in the admin.")
        % {"profile": slug}
    )
