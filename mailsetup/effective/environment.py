"""Profiles from environment variables: ``MAILSETUP_<PROFILE>_<FIELD>``.

Values are taken as they stand, with no substitution: ``$ecret`` is a password like any other.
From a file named by ``…_FILE`` one line end at its end is left out, and a byte order mark. A
variable that cannot be used becomes a :class:`Problem` that names it and never shows its value,
because it may be a secret.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from mailsetup.models.profile import DEFAULT_PORTS
from mailsetup.models.validators import (
    validate_address,
    validate_ca,
    validate_ehlo_name,
    validate_host,
    validate_no_control,
)
from mailsetup.smtp.account import Secret

PREFIX = "MAILSETUP_"
KEYS = "MAILSETUP_KEYS"
URL_SCHEMES = {"smtps": "tls", "smtp+starttls": "starttls", "smtp": "none"}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be used: its field, where it comes from, and what to do."""

    field: str
    message: str
    variable: str = ""


@dataclass(slots=True)
class EnvironmentValues:
    """What the environment says of one profile."""

    values: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.values or self.problems)


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValidationError(_("Use true or false."))


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        message = _("Use a number from %(lowest)d to %(highest)d.")
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if not lowest <= value <= highest:
            raise ValidationError(message % {"lowest": lowest, "highest": highest})
        return value

    return parse


def _choice(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        value = text.strip().lower()
        if value not in names:
            raise ValidationError(_("Use one of: %(names)s.") % {"names": ", ".join(names)})
        return value

    return parse


def _checked(validate: Callable[[str], None]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        value = text.strip()
        if value:
            validate(value)
        return value

    return parse


def _secret(text: str) -> Secret:
    validate_no_control(text)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        # How Python shows octets of the environment that are not UTF-8.
        raise ValidationError(_("It is not text in UTF-8."))
    return Secret(text)


FIELDS: dict[str, Callable[[str], Any]] = {
    "host": _checked(validate_host),
    "port": _number(1, 65535),
    "encryption": _choice("tls", "starttls", "none"),
    "verify": _boolean,
    "ca": _checked(validate_ca),
    "allow_plaintext": _boolean,
    "login": _choice("password", "none"),
    "username": _checked(validate_no_control),
    "password": _secret,
    "from_email": _checked(validate_address),
    "force_from_email": _boolean,
    "from_name": _checked(validate_no_control),
    "force_from_name": _boolean,
    "return_path": _checked(validate_address),
    "reply_to": _checked(validate_address),
    "ehlo_name": _checked(validate_ehlo_name),
    "timeout": _number(1, 300),
    "active": _boolean,
    "do_not_send": _boolean,
    "sending": _choice("at_once", "background"),
    "on_ambiguous": _choice("hold", "resend"),
    "in_flight": _number(1, 50),
    "log": _choice("off", "envelope", "content"),
}
FROM_FILE = {"password", "ca"}


def environment_name(slug: str) -> str:
    """Return the part of a variable's name that stands for a profile: ``my-shop`` → ``MY_SHOP``."""
    return slug.upper().replace("-", "_")


def variable_names(slug: str) -> set[str]:
    """Return every variable that a profile of this name listens to."""
    stem = f"{PREFIX}{environment_name(slug)}_"
    names = {stem + name.upper() for name in FIELDS} | {f"{stem}URL"}
    return names | {f"{stem}{name.upper()}_FILE" for name in FROM_FILE}


def colliding_slugs(slugs: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of profile names that share a variable, as ``a-b`` and ``a_b`` do."""
    seen: dict[str, str] = {}
    pairs = []
    for slug in sorted(slugs):
        names = variable_names(slug)
        others = {seen[name] for name in names if name in seen}
        pairs += [(other, slug) for other in sorted(others)]
        seen.update(dict.fromkeys(names, slug))
    return pairs


def standalone_names(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the profiles that the environment names a server for, in small letters.

    A hyphen and an underscore look the same in a variable: the names come with hyphens.
    """
    found = set()
    for variable in environ:
        stem, separator, field_name = variable.rpartition("_")
        named = stem.startswith(PREFIX) and stem != PREFIX
        if separator and field_name in {"HOST", "URL"} and named:
            found.add(stem.removeprefix(PREFIX).lower().replace("_", "-"))
    return sorted(found)


def unknown_variables(
    environ: Mapping[str, str] = os.environ, *, slugs: Iterable[str] | None = None
) -> list[str]:
    """Return the variables that begin like those of a profile and that nothing listens to.

    Args:
        environ: where to read from.
        slugs: the stored profiles, where they are known: then whatever begins like ours counts.
    """
    names = {"default", *standalone_names(environ), *(slugs or ())}
    known = {variable for name in names for variable in variable_names(name)} | {KEYS}
    stems = tuple(f"{PREFIX}{environment_name(name)}_" for name in names)
    begins = stems if slugs is None else (PREFIX,)
    unknown = {name for name in environ if name.startswith(begins)} - known
    # One letter short of the right name; it would never be missed.
    return sorted(unknown | ({KEYS.removesuffix("S")} & environ.keys()))


def read(name: str, environ: Mapping[str, str] = os.environ) -> EnvironmentValues:
    """Read the variables of one profile.

    Args:
        name: the profile's name, or ``default`` for the default profile's variables.
        environ: where to read from.
    """
    stem = f"{PREFIX}{environment_name(name)}_"
    found = EnvironmentValues()
    if url := environ.get(f"{stem}URL", "").strip():
        _read_url(found, url, f"{stem}URL")
    for field_name, parse in FIELDS.items():
        variable = stem + field_name.upper()
        if field_name in FROM_FILE and (path := environ.get(f"{variable}_FILE")):
            variable += "_FILE"
            _store(found, field_name, variable, parse, lambda path=path: _file_text(path))
        elif (text := environ.get(variable)) is not None and (
            text.strip() or field_name in {"password", "username"}
        ):
            _store(found, field_name, variable, parse, lambda text=text: text)
    return found


def _store(
    found: EnvironmentValues,
    field_name: str,
    variable: str,
    parse: Callable[[str], Any],
    text: Callable[[], str],
) -> None:
    # What a URL said of it before counts no more.
    found.values.pop(field_name, None)
    try:
        found.values[field_name] = parse(text())
    except ValidationError as error:
        message = _without_value(error, field_name)
        found.problems.append(Problem(field_name, message, variable))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or _("it is not text")
        message = _("The file cannot be read: %(reason)s.") % {"reason": reason}
        found.problems.append(Problem(field_name, message, variable))
    found.variables[field_name] = variable


def _without_value(error: ValidationError, field_name: str) -> str:
    # The messages of the validators quote what was typed; a variable's value may be a secret
    # that landed in the wrong variable, so only its name is told.
    first = error.error_list[0]
    if not first.params:
        return str(first.message)
    if field_name == "host":
        return _(
            "Its value cannot be used here: type the server's name alone, such as "
            "smtp.example.com, without “smtp://”, port or blanks."
        )
    if field_name in {"from_email", "return_path", "reply_to"}:
        return _("Its value cannot be used here: type an email address such as shop@example.com.")
    return _("Its value cannot be used here.")


def _file_text(path: str) -> str:
    # Editors of Windows put a byte order mark there, which no password begins with.
    text = Path(path).read_text(encoding="utf-8-sig")
    return text.removesuffix("\n").removesuffix("\r")


def _read_url(found: EnvironmentValues, url: str, variable: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        found.problems.append(
            Problem("host", _("It is not a URL like smtps://user:password@host:465."), variable)
        )
        return
    encryption = URL_SCHEMES.get(parts.scheme)
    if encryption is None or not parts.hostname:
        schemes = ", ".join(f"{scheme}://" for scheme in URL_SCHEMES)
        message = _("It must begin with one of %(schemes)s, followed by a host.")
        found.problems.append(Problem("host", message % {"schemes": schemes}, variable))
        return
    try:
        texts = _url_texts(parts, encryption, port)
    except UnicodeError:
        texts = []
    if not texts or parts.path.strip("/") or parts.fragment:
        # Half a password may have been taken for the host: nothing of it is used.
        message = _("Characters such as “/” in its user and password must be percent-encoded.")
        found.problems.append(Problem("host", message, variable))
        return
    for name, text in texts:
        if name not in FIELDS or name in FROM_FILE - {"password"}:
            # Its name is not told: a password with an unescaped "?" ends up here.
            message = _("Its part after “?” names a field that does not exist.")
            found.problems.append(Problem("host", message, variable))
            continue
        _store(found, name, variable, FIELDS[name], lambda text=text: text)


def _url_texts(parts: SplitResult, encryption: str, port: int | None) -> list[tuple[str, str]]:
    """Return the fields that a URL sets, as texts; user and password come percent-decoded."""
    username, password = (
        unquote(part or "", errors="strict") for part in (parts.username, parts.password)
    )
    texts = [
        ("host", parts.hostname or ""),
        ("port", str(port if port is not None else DEFAULT_PORTS[encryption])),
        ("encryption", encryption),
        ("login", "password" if username else "none"),
        ("username", username),
    ]
    if password:
        texts.append(("password", password))
    query = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
    return texts + [(name.lower(), value) for name, value in query]
