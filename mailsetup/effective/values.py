"""The values in force of one profile, each with its origin, and the account they make."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from django.core.exceptions import FieldDoesNotExist
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsetup import conf, providers
from mailsetup.effective.environment import Problem
from mailsetup.exceptions import InvalidProfileError, ProfileInactiveError
from mailsetup.models.profile import Destination, SMTPProfile, needs_plaintext_consent
from mailsetup.smtp.account import Account, Encryption, Login, Secret

# The fields of a profile that sending uses, in the order in which they are shown.
FIELD_NAMES = (
    "host",
    "port",
    "encryption",
    "verify",
    "ca",
    "allow_plaintext",
    "login",
    "username",
    "password",
    "from_email",
    "force_from_email",
    "from_name",
    "force_from_name",
    "return_path",
    "reply_to",
    "ehlo_name",
    "timeout",
    "active",
    "do_not_send",
    "sending",
    "on_ambiguous",
    "in_flight",
    "log",
)


class Origin(StrEnum):
    """Where a value comes from, the strongest first."""

    ENVIRONMENT = "environment"
    FORM = "form"
    DATABASE = "database"
    SETTINGS = "settings"
    DEFAULT = "default"

    @property
    def label(self) -> str:
        """The origin in the reader's language."""
        return str(_ORIGIN_LABELS[self])


_ORIGIN_LABELS = {
    Origin.ENVIRONMENT: gettext_lazy("environment"),
    Origin.FORM: gettext_lazy("form, not saved"),
    Origin.DATABASE: gettext_lazy("database"),
    Origin.SETTINGS: gettext_lazy("the site's settings"),
    Origin.DEFAULT: gettext_lazy("default"),
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value in force and where it comes from; a password's value is never in here."""

    value: Any
    origin: Origin
    variable: str = ""


class SenderRules(NamedTuple):
    """What a profile says about From and Reply-To."""

    from_email: str
    force_from_email: bool
    from_name: str
    force_from_name: bool
    reply_to: str


@dataclass(frozen=True)
class Effective:
    """A profile as it is in force; immutable, so that one mail uses one consistent version."""

    slug: str
    values: Mapping[str, Value]
    secret: Secret
    problems: tuple[Problem, ...] = ()
    uuid: Any = None
    revision: int = 0
    provider: str = ""
    client_certificate: tuple[str | None, str | None] = (None, None)
    # Tells one secret from another where no revision does; see secret_mark().
    secret_mark: str = ""
    # Tells when the stored password was entered.
    password_mark: str = ""
    # Made, wholly or in part, of what code or the site's settings gave.
    own: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    @property
    def locked(self) -> dict[str, str]:
        """The fields that a variable sets, each with the variable's name."""
        return {
            name: value.variable
            for name, value in self.values.items()
            if value.origin == Origin.ENVIRONMENT
        }

    @property
    def from_database(self) -> bool:
        """Whether a row of the database is part of it."""
        return self.uuid is not None

    @property
    def destination(self) -> Destination:
        """Where the secret may go, by the values in force."""
        return Destination(**{name: self[name] for name in Destination._fields})

    @property
    def spoils_secret(self) -> bool:
        """Whether a value that cannot be used is why the secret may not open."""
        parts = {"password", *Destination._fields}
        return any(problem.field in parts for problem in self.problems)

    @cached_property
    def from_email(self) -> str:
        """The address that mails come from: the From email, or the username if it is one."""
        username = self["username"]
        return self["from_email"] or (username if "@" in username else "")

    @cached_property
    def sender_rules(self) -> SenderRules:
        """What it says about From and Reply-To; nothing is forced where there is no address."""
        return SenderRules(
            from_email=self.from_email,
            force_from_email=bool(self["force_from_email"] and self.from_email),
            from_name=self["from_name"],
            force_from_name=bool(self["force_from_name"]),
            reply_to=self["reply_to"],
        )

    @cached_property
    def account(self) -> Account:
        """What the SMTP room needs of it."""
        certfile, keyfile = self.client_certificate
        preset = providers.get(self.provider) if self.provider else None
        connections = max(1, conf.option("MAX_CONNECTIONS"))
        if preset is not None and preset.max_connections:
            connections = min(connections, preset.max_connections)
        return Account(
            host=self["host"],
            port=self["port"],
            encryption=Encryption(self["encryption"]),
            login=Login(self["login"]),
            username=self["username"],
            password=self.secret,
            verify=self["verify"],
            ca=self["ca"],
            certfile=certfile,
            keyfile=keyfile,
            ehlo_name=self["ehlo_name"],
            timeout=float(self["timeout"]),
            key=(self.pool_name, self.fingerprint, self.secret_mark),
            max_connections=connections,
            in_flight=self["in_flight"],
        )

    @property
    def pool_name(self) -> str:
        """What the pool keeps connections by: an edited profile's old ones are closed by it."""
        return f"{self.fingerprint}:{self.secret_mark}" if self.own else self.slug

    @cached_property
    def fingerprint(self) -> str:
        """A short text that differs where any value does; no secret can be read from it."""
        known = [f"{name}={self[name]!r}" for name in FIELD_NAMES if name != "password"]
        known += [str(self.uuid), str(self.revision), self.values["password"].variable]
        known += [str(path) for path in self.client_certificate]
        return hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]

    @cached_property
    def test_fingerprint(self) -> str:
        """A short text that differs where anything does that a test's outcome depends on.

        Saving alone changes nothing, nor does what tells when and whether the profile is used, or
        how many mails may be in flight: a test mail goes alone.
        """
        left_out = {"password", "active", "do_not_send", "sending", "log"}
        left_out |= {"on_ambiguous", "in_flight"}
        known = [f"{name}={self[name]!r}" for name in FIELD_NAMES if name not in left_out]
        known += [str(self.uuid), self.password_mark, self.values["password"].variable]
        known += [str(path) for path in self.client_certificate]
        return hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]

    def require_usable(self) -> None:
        """Raise unless a mail can be sent with it.

        Raises:
            InvalidProfileError: a value cannot be used, or a password would travel in clear.
            ProfileInactiveError: it is switched off.
        """
        if self.problems:
            first = self.problems[0]
            name = first.variable or _label(first.field)
            raise InvalidProfileError(f"{name}: {first.message}")
        if not self["active"]:
            raise ProfileInactiveError(_switched_off(self.slug, self.values["active"].variable))
        plain = needs_plaintext_consent(
            encryption=self["encryption"], login=self["login"], host=self["host"]
        )
        if plain and not self["allow_plaintext"]:
            raise InvalidProfileError(
                _(
                    "The profile “%(profile)s” would send its password unencrypted to %(host)s. "
                    "Choose an encryption, or allow it in the form or by the variable "
                    "MAILSETUP_…_ALLOW_PLAINTEXT."
                )
                % {"profile": self.slug, "host": self["host"]}
            )


def _switched_off(slug: str, variable: str) -> str:
    if variable:
        return _(
            "The SMTP profile “%(profile)s” is switched off by the variable %(variable)s in the "
            "environment; change it there."
        ) % {"profile": slug, "variable": variable}
    return _("The SMTP profile “%(profile)s” is switched off. Switch it on in the admin.") % {
        "profile": slug
    }


def _label(field: str) -> str:
    """Return a field's name for people."""
    try:
        return str(SMTPProfile._meta.get_field(field).verbose_name)
    except FieldDoesNotExist:
        return field


_MARK_KEY = os.urandom(32)


def secret_mark(secret: Secret) -> str:
    """Return a text that differs with the secret, and means nothing outside this process."""
    octets = secret.reveal().encode("utf-8", "surrogatepass")
    return hashlib.blake2b(octets, key=_MARK_KEY, digest_size=16).hexdigest()
