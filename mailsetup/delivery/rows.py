"""Inserts many rows in few statements, past the ORM.

Building an INSERT of a model's forty columns takes Django many times as long as the database
needs to run it, and the mail log is written in the process that sends.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

# What any database takes as it is; other values are prepared by their field.
PLAIN = (
    models.BooleanField,
    models.CharField,
    models.FloatField,
    models.ForeignKey,
    models.IntegerField,
    models.TextField,
)
# Django's limit for SQLite, the lowest of all: values in one statement.
MOST_VALUES = 999


def insert(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], connection: BaseDatabaseWrapper
) -> list[int]:
    """Insert rows and return their keys, in order.

    Args:
        model: what they are rows of; the database makes its keys.
        rows: of each the columns by name, all of the same ones; the others get the field's
            default.
        connection: of a database that returns the keys of many rows.

    Raises:
        DatabaseError, InterfaceError: the database does not take them.
    """
    if not rows:
        return []
    names, take, prepared = _plan(model)
    defaults = {name: model._meta.get_field(name).get_default() for name in names - rows[0].keys()}
    most = MOST_VALUES // len(names)
    keys: list[int] = []
    with connection.cursor() as cursor:
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            values: list[Any] = []
            for row in part:
                full = {**defaults, **row}
                for name, field in prepared.items():
                    if full[name] is not None:
                        full[name] = field.get_db_prep_save(full[name], connection)
                values += take(full)
            cursor.execute(_statement(model, len(part), connection), values)
            keys += [key for (key,) in cursor.fetchall()]
    return keys


def can_insert(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether :func:`insert` serves for a database.

    Not for those that do not return the keys; MariaDB does, but wants octets marked in the text.
    """
    returns = connection.features.can_return_rows_from_bulk_insert
    return bool(returns) and connection.vendor != "mysql"


@lru_cache(maxsize=8)
def _plan(
    model: type[models.Model],
) -> tuple[frozenset[str], Callable[[Any], tuple[Any, ...]], dict[str, models.Field]]:
    """Return the names of a model's columns, what takes them from a row, and whom they prepare."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = [field.attname for field in fields]
    prepared = {field.attname: field for field in fields if not isinstance(field, PLAIN)}
    return frozenset(names), itemgetter(*names), prepared


# By model, number of rows and kind of database.
_statements: dict[tuple[type[models.Model], int, str], str] = {}


def _statement(model: type[models.Model], count: int, connection: BaseDatabaseWrapper) -> str:
    key = model, count, connection.vendor
    if key not in _statements:
        quoted, meta = connection.ops.quote_name, model._meta
        names = [quoted(field.column) for field in meta.concrete_fields if not field.primary_key]
        places = f"({', '.join(['%s'] * len(names))})"
        _statements[key] = (
            f"INSERT INTO {quoted(meta.db_table)} ({', '.join(names)}) "  # noqa: S608 - of models
            f"VALUES {', '.join([places] * count)} RETURNING {quoted(meta.pk.column)}"
        )
    return _statements[key]
