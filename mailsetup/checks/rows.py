"""What checks read of profiles, in the database and in the environment."""

import sys
from collections.abc import Iterable

import django
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, router

from mailsetup import effective
from mailsetup.effective import Effective, environment
from mailsetup.models import SMTPProfile


def database() -> str:
    return router.db_for_read(SMTPProfile) or DEFAULT_DB_ALIAS


def asked_of_rows(databases: Iterable[str] | None) -> bool:
    """Tell whether somebody has named our database, for a check that runs without one too."""
    # Django 6.1 hands every database to such a check when none was named.
    named = django.VERSION < (6, 1) or any(word.startswith("--database") for word in sys.argv)
    return named and database() in (databases or ())


def profiles(databases: Iterable[str] | None) -> list[SMTPProfile] | None:
    """Return the profiles where the check may read them; None before the tables exist."""
    if database() not in (databases or ()):
        return None
    try:
        return list(SMTPProfile.objects.all())
    except (DatabaseError, InterfaceError):
        return None


def in_force(profile: SMTPProfile) -> Effective:
    return effective.from_row(profile, slug=profile.slug, is_default=profile.is_default)


def names(profiles: Iterable[SMTPProfile]) -> list[str]:
    """Return the names that variables are read by: the default profile hears “default” too."""
    names = {profile.slug: environment.environment_name(profile.slug) for profile in profiles}
    default = next((profile.slug for profile in profiles if profile.is_default), "")
    return [*names] if names.get(default) == "DEFAULT" else [*{*names, "default"}]


def environment_problems() -> list[environment.Problem]:
    """Return what cannot be used of the variables that need no row to be found."""
    names = {"default", *environment.standalone_names()}
    return [problem for name in sorted(names) for problem in environment.read(name).problems]
