"""What the pages tell of a profile: the values in force, their origins, the last test.

Refused here: a secret's value. Of a password only its origin is told.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsetup import effective
from mailsetup.admin import times
from mailsetup.admin.advice import stage_label
from mailsetup.effective import Effective, Origin, django_settings, environment
from mailsetup.effective.resolve import FIELD_NAMES
from mailsetup.exceptions import ConfigurationError, SecretUnavailableError
from mailsetup.models import ProfileState, SMTPProfile
from mailsetup.models.profile import Destination

ENCRYPTION_LABELS = {
    "starttls": gettext_lazy("STARTTLS"),
    "tls": gettext_lazy("TLS"),
    "none": gettext_lazy("not encrypted"),
}
NOTHING = "\N{EN DASH}"
_ENVIRONMENT_PROFILE = re.compile(rf"^{environment.PREFIX}([A-Z0-9_]+)_(?:HOST|URL)$")


@dataclass(frozen=True, slots=True)
class LastTest:
    """How the last test of a profile ended: ``passed``, ``failed``, ``changed`` or ``never``."""

    kind: str
    text: str
    when: datetime | None = None


class Row(NamedTuple):
    """One value in force, as the pages show it."""

    label: str
    text: str
    origin: str
    variable: str


class Serving(NamedTuple):
    """What sends the mails that name no profile: its values, or why there are none."""

    effective: Effective | None
    problem: str = ""


def in_force(
    row: SMTPProfile, *, slug: str | None = None, is_default: bool | None = None
) -> Effective:
    """Return the values in force of a row, stored or not.

    Args:
        row: the profile.
        slug: the name to read the variables of, where it is being changed.
        is_default: whether it will be the default profile, where that is being changed.
    """
    return effective.from_row(
        row,
        slug=row.slug if slug is None else slug,
        is_default=row.is_default if is_default is None else is_default,
    )


def serving() -> Serving:
    """Return what sends a mail that names no profile."""
    try:
        return Serving(effective.resolve(None))
    except ConfigurationError as error:
        return Serving(None, str(error))


def only_in_environment() -> list[Effective]:
    """Return the profiles that variables give without any row."""
    known = {environment.environment_name(slug) for slug in effective.known_slugs()}
    if SMTPProfile.objects.filter(is_default=True).exists():
        known.add("DEFAULT")
    found = {match.group(1) for name in os.environ if (match := _ENVIRONMENT_PROFILE.match(name))}
    slugs = [name.lower().replace("_", "-") for name in sorted(found - known)]
    return [effective.resolve(slug) for slug in slugs]


def import_offered() -> bool:
    """Tell whether the site's own settings name a server while there is no profile yet."""
    return bool(django_settings.configured()) and not SMTPProfile.objects.exists()


def profile_label(profile: Effective) -> str:
    """Return the name of a profile; Django's own settings have none."""
    return profile.slug or _("The site's own settings")


def server_label(profile: Effective) -> str:
    """Return host, port and encryption in force, on one line."""
    host = profile["host"]
    return _("%(host)s:%(port)s, %(encryption)s") % {
        "host": f"[{host}]" if ":" in host else host,
        "port": profile["port"],
        "encryption": ENCRYPTION_LABELS.get(profile["encryption"], profile["encryption"]),
    }


def in_background(profile: Effective) -> bool:
    """Tell whether a profile's mail is put into the outbox, so that no page waits for it."""
    return bool(profile["sending"] == SMTPProfile.Sending.BACKGROUND)


def problems(profile: Effective) -> list[str]:
    """Return what keeps a profile from sending, each as a sentence."""
    found = []
    for problem in profile.problems:
        name = problem.variable or field_label(problem.field)
        found.append(_("%(name)s: %(problem)s") % {"name": name, "problem": problem.message})
    if not found:
        try:
            profile.require_usable()
        except ConfigurationError as error:
            found.append(str(error))
    if secret := secret_problem(profile):
        found.append(secret)
    return found


def secret_problem(profile: Effective) -> str:
    """Return why the password in force cannot be used; "" where it can, or none is needed."""
    if profile["login"] == "none" or profile.spoils_secret:
        return ""
    try:
        profile.secret.reveal()
    except ConfigurationError as error:
        return str(error)
    return ""


def changed_fields(error: SecretUnavailableError) -> str:
    """Return the labels of what differs from when the secret was entered; often ""."""
    return ", ".join(field_label(name) for name in error.changed if name in Destination._fields)


def field_label(name: str) -> str:
    """Return the label of a profile's field."""
    if name == "password":
        return _("password")
    return str(SMTPProfile._meta.get_field(name).verbose_name)


def last_test(profile: Effective, state: ProfileState | None) -> LastTest:
    """Return how the last test of a profile ended, by what was written down of it."""
    if state is None or state.tested_at is None:
        return LastTest("never", _("never tested"))
    if state.test_settings != profile.test_fingerprint:
        return LastTest("changed", _("changed since the last test"), state.tested_at)
    now = timezone.now()
    just_now = now - state.tested_at < timedelta(minutes=1)
    words = {
        "time": times.since(state.tested_at, now),
        "stage": stage_label(state.test_stage),
    }
    if state.test_passed:
        text = _("verified just now") if just_now else _("verified %(time)s ago") % words
        return LastTest("passed", text, state.tested_at)
    if just_now:
        text = _("failed just now at the stage “%(stage)s”") % words
    else:
        text = _("failed %(time)s ago at the stage “%(stage)s”") % words
    return LastTest("failed", text, state.tested_at)


def rows(profile: Effective) -> list[Row]:
    """Return each value in force with its origin, in the order of the form."""
    return [
        Row(field_label(name), _shown(profile, name), value.origin.label, value.variable)
        for name in FIELD_NAMES
        for value in [profile.values[name]]
    ]


def _shown(profile: Effective, name: str) -> str:
    value: Any = profile[name]
    if name == "password":
        none = profile.values[name].origin == Origin.DEFAULT
        return _("none") if none else _("set, never shown")
    if name == "encryption":
        return str(ENCRYPTION_LABELS.get(value, value))
    if choices := SMTPProfile._meta.get_field(name).flatchoices:
        return str(dict(choices).get(value, value))
    if name == "ca":
        return _("a certificate") if value else NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return NOTHING if value in {None, ""} else str(value)
