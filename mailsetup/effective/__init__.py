"""The values in force: environment over row over Django's own settings over default.

``resolve`` turns a profile's name into one :class:`Effective`, each value with its origin, and
keeps it in memory until the profile changes.
"""

from mailsetup.effective.resolve import draft, from_row, secret_sentence
from mailsetup.effective.snapshot import (
    environment_slugs,
    forget,
    known_slugs,
    on_mark_changed,
    on_profile_changed,
    on_profile_deleted,
    on_tables_changed,
    resolve,
)
from mailsetup.effective.values import Effective, Origin, SenderRules, Value, secret_mark

__all__ = [
    "Effective",
    "Origin",
    "SenderRules",
    "Value",
    "draft",
    "environment_slugs",
    "forget",
    "from_row",
    "known_slugs",
    "on_mark_changed",
    "on_profile_changed",
    "on_profile_deleted",
    "on_tables_changed",
    "resolve",
    "secret_mark",
    "secret_sentence",
]
