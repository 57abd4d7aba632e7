"""Statements that run for every mail, past the ORM.

Building an UPDATE takes Django several times as long as the database needs to run it. Here the
text is built once for each set of columns, and the values are prepared by their fields, so that
each kind of database gets what it takes.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from mailsetup.delivery.rows import MOST_VALUES, PLAIN


def places(number: int) -> str:
    """Return the places of that many values in a statement."""
    return ", ".join(["%s"] * number)


class Statement(NamedTuple):
    """A statement and its values, in the order of their places."""

    sql: str
    values: list[Any]


class Table:
    """The statements of one model's table in one database.

    Args:
        model: whose rows they write.
        database: its alias.
    """

    def __init__(self, model: type[models.Model], database: str) -> None:
        self._model = model
        self._database = database

    def update(
        self,
        values: Mapping[str, Any],
        where: Mapping[str, Any],
        keys: Sequence[int] | None = None,
    ) -> Statement:
        """Return an UPDATE of the rows that have certain values.

        Args:
            values: the new ones, by the names of the columns' fields.
            where: those of the rows; none of them None.
            keys: those of the only rows to look at, one at least; None for all.
        """
        assert keys is None or keys  # noqa: S101 - none would be all
        number = 0 if keys is None else len(keys)
        sql = _update(self._model, self._database, tuple(values), tuple(where), number)
        return Statement(sql, [*self.prepared(values), *self.prepared(where), *(keys or ())])

    def inserts(self, rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
        """Return what inserts rows, in as few INSERTs as the database takes.

        Args:
            rows: of each all columns but the key, which the database makes.
        """
        if not rows:
            return []
        # Before its release 23, Oracle has one row in VALUES.
        alone = connections[self._database].vendor == "oracle"
        most = 1 if alone else MOST_VALUES // len(rows[0])
        names, statements = tuple(rows[0]), []
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            sql = _insert(self._model, self._database, names, len(part))
            values = [value for row in part for value in self.prepared(row)]
            statements.append(Statement(sql, values))
        return statements

    def delete(self, where: Mapping[str, Any], column: str, among: Sequence[int]) -> Statement:
        """Return a DELETE of the rows that have certain values; nothing follows foreign keys.

        Args:
            where: their values, by the names of the columns' fields.
            column: one more, of numbers.
            among: those that it has in them.
        """
        sql = _delete(self._model, self._database, tuple(where), column, len(among))
        return Statement(sql, [*self.prepared(where), *among])

    def text(self, template: str) -> str:
        """Return a statement's text with the names of the table and its columns filled in.

        Args:
            template: ``{table}``, and the columns by the names of their fields.
        """
        return _text(self._model, self._database, template)

    def prepared(self, values: Mapping[str, Any]) -> list[Any]:
        """Return values, by the names of their fields, as the database takes them."""
        fields, connection = _preparing(self._model), connections[self._database]
        return [
            value if (field := fields[name]) is None else field.get_db_prep_save(value, connection)
            for name, value in values.items()
        ]


def run(statements: Sequence[Statement], database: str) -> int:
    """Run statements, all of them or none; return the number of rows that the last one met.

    Args:
        statements: each meets other rows than the others do; the first ones need not be seen by
            those after them.
        database: its alias.

    Raises:
        DatabaseError, InterfaceError: nothing was written, or the connection broke in the middle
            of the commit.
    """
    connection = connections[database]
    if connection.vendor == "postgresql":
        # One round trip to the database in place of five.
        statements = [_joined(statements)]
    with turn.of(connection):
        if len(statements) == 1:
            return _execute(statements, connection)
        with transaction.atomic(using=database):
            return _execute(statements, connection)


class _Turn:
    """Lets the threads of a process write one after the other where the database does so too.

    SQLite has all but one of them sleep, and look again after ever longer times: the more threads
    there are, the longer the lock lies idle.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            # Another thread may be holding it then.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def of(self, connection: BaseDatabaseWrapper) -> AbstractContextManager[Any]:
        """Return what to hold while writing, outside of any transaction."""
        if connection.vendor != "sqlite" or connection.in_atomic_block:
            return nullcontext()
        return self._held(float(connection.settings_dict["OPTIONS"].get("timeout", 5.0)))

    @contextmanager
    def _held(self, seconds: float) -> Iterator[None]:
        # No longer than for SQLite's lock: where another process has that, their waits would add.
        lock = self._lock
        is_held = lock.acquire(timeout=seconds)
        try:
            yield
        finally:
            if is_held:
                lock.release()


turn: Final = _Turn()


def _joined(statements: Sequence[Statement]) -> Statement:
    *before, last = statements
    if not before:
        return last
    parts = ", ".join(f"part{number} AS ({one.sql})" for number, one in enumerate(before))
    values = [value for one in statements for value in one.values]
    return Statement(f"WITH {parts} {last.sql}", values)


def _execute(statements: Sequence[Statement], connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.sql, statement.values)
        return int(cursor.rowcount)


# The texts, made once for each database; what is not a value in them comes from the models.


@lru_cache(maxsize=8)
def _columns_of(model: type[models.Model]) -> dict[str, str]:
    return {field.attname: field.column for field in model._meta.concrete_fields}


@lru_cache(maxsize=8)
def _preparing(model: type[models.Model]) -> dict[str, models.Field | None]:
    """Return the fields that prepare a value; None for a value that goes as it is."""
    return {
        field.attname: None if isinstance(field, PLAIN) else field
        for field in model._meta.concrete_fields
    }


@lru_cache(maxsize=64)
def _text(model: type[models.Model], database: str, template: str) -> str:
    names = {name: _quoted(column, database) for name, column in _columns_of(model).items()}
    return template.format(table=_table(model, database), **names)


@lru_cache(maxsize=256)
def _update(
    model: type[models.Model],
    database: str,
    names: tuple[str, ...],
    where: tuple[str, ...],
    keys: int,
) -> str:
    changes = ", ".join(f"{column} = %s" for column in _columns(model, database, names))
    table, condition = _table(model, database), _condition(model, database, where)
    if keys:
        condition += f" AND {_among(model, database, 'id', keys)}"
    return f"UPDATE {table} SET {changes} WHERE {condition}"  # noqa: S608 - of models


@lru_cache(maxsize=128)
def _insert(model: type[models.Model], database: str, names: tuple[str, ...], number: int) -> str:
    columns = ", ".join(_columns(model, database, names))
    table = _table(model, database)
    rows = ", ".join([f"({places(len(names))})"] * number)
    return f"INSERT INTO {table} ({columns}) VALUES {rows}"  # noqa: S608 - of models


@lru_cache(maxsize=128)
def _delete(
    model: type[models.Model], database: str, where: tuple[str, ...], column: str, number: int
) -> str:
    table, condition = _table(model, database), _condition(model, database, where)
    among = _among(model, database, column, number)
    condition = f"{condition} AND {among}" if condition else among
    return f"DELETE FROM {table} WHERE {condition}"  # noqa: S608 - of models


def _condition(model: type[models.Model], database: str, names: tuple[str, ...]) -> str:
    return " AND ".join(f"{column} = %s" for column in _columns(model, database, names))


def _among(model: type[models.Model], database: str, column: str, number: int) -> str:
    return f"{_columns(model, database, (column,))[0]} IN ({places(number)})"


def _columns(model: type[models.Model], database: str, names: tuple[str, ...]) -> list[str]:
    columns = _columns_of(model)
    return [_quoted(columns[name], database) for name in names]


def _table(model: type[models.Model], database: str) -> str:
    return _quoted(model._meta.db_table, database)


def _quoted(name: str, database: str) -> str:
    return str(connections[database].ops.quote_name(name))
