"""Looks into the table for what waits and is due, past the ORM.

Each worker looks before each of its claims, and one that is idle looks every second.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from mailsetup.delivery.statements import Table, places
from mailsetup.models import Message, State

# Values in one list that every database takes.
MOST_KEYS = 500
# The states stand in the texts: with a place for a value there, a database cannot tell that the
# index of the waiting messages serves. SQLite has to be told that it is the better one, or it
# reads and sorts all that wait.
_INDEX = " INDEXED BY mailsetup_message_due"
_WAITING = f"FROM {{table}}%s WHERE {{state}} = '{State.QUEUED}'"
_FIRST = f"SELECT {{requested}} {_WAITING} ORDER BY {{requested}}"
_NEXT = f"SELECT {{requested}} {_WAITING} AND {{requested}} > %%s ORDER BY {{requested}}"
_DUE = f"{_WAITING} AND {{requested}} = %%s AND {{due_at}} <= %%s"
_ORDER = "ORDER BY {priority}, {due_at}"
_HEAD = f"SELECT {{priority}}, {{due_at}} {_DUE} {_ORDER}"
_KEYS = f"SELECT {{id}}, {{suspect}}, {{size}} {_DUE} {_ORDER}"
_KEYS_AMONG = f"SELECT {{id}}, {{suspect}}, {{size}} {_DUE} AND {{id}} IN (!) {_ORDER}"
_MINE = f"WHERE {{claim}} = %%s AND {{state}} = '{State.SENDING}'"
_CLAIMED = f"SELECT * FROM {{table}}%s {_MINE} AND {{id}} IN (!) {_ORDER}"  # noqa: S608 - of the model


class Due:
    """What waits in one database.

    Args:
        database: its alias; the one that is written to, for a copy of it may be behind.
    """

    def __init__(self, database: str) -> None:
        self._connection = connections[database]
        self._table = Table(Message, database)
        self._index = _INDEX if self._connection.vendor == "sqlite" else ""

    def requests(self) -> list[str]:
        """Return what the waiting messages ask for as their profile, each once.

        One index look-up for each, however many messages there are.
        """
        found: list[str] = []
        rows = self._rows(self._text(_FIRST), [])
        while rows:
            # Oracle keeps "" as NULL.
            found.append(rows[0][0] or "")
            rows = self._rows(self._text(_NEXT), [found[-1]])
        return found

    def most_urgent(self) -> list[str]:
        """Return the profiles that have something due, that of the most urgent message first."""
        heads = []
        for name in self.requests():
            heads += [(*head, name) for head in self._rows(self._text(_HEAD), self._values(name))]
        return [name for *_urgency, name in sorted(heads)]

    def keys(
        self, requested: str, limit: int, *, among: Sequence[int] | None, locks: bool
    ) -> list[tuple[int, bool, int]]:
        """Return the most urgent messages: key, whether it is suspect, octets of its content.

        Args:
            requested: the profile that they ask for.
            limit: how many at most; never more than ``MOST_KEYS``.
            among: the keys of the only ones to look at, ``MOST_KEYS`` at most; None for all.
            locks: lock them in the transaction that is open, and pass over locked ones.
        """
        limit = min(limit, MOST_KEYS)
        values = self._values(requested)
        if among is None:
            return self._rows(self._text(_KEYS), values, limit, locks=locks)
        if not among:
            return []
        text = self._text(_KEYS_AMONG, hint="").replace("!", places(len(among)))
        return self._rows(text, [*values, *among], limit, locks=locks)

    def claimed(self, claim: UUID, keys: Sequence[int]) -> list[Message]:
        """Return the messages among some that a claim has got, in the order in which they go."""
        text = self._text(_CLAIMED, hint="").replace("!", places(len(keys)))
        values = [*self._table.prepared({"claim": claim}), *keys]
        return list(Message.objects.using(self._connection.alias).raw(text, values))

    def _values(self, requested: str) -> list[Any]:
        return self._table.prepared({"requested": requested, "due_at": timezone.now()})

    def _text(self, template: str, hint: str | None = None) -> str:
        return self._table.text(template) % (self._index if hint is None else hint)

    def _rows(
        self, text: str, values: list[Any], limit: int = 1, *, locks: bool = False
    ) -> list[Any]:
        operations = self._connection.ops
        text = f"{text} {operations.limit_offset_sql(0, limit)}"
        if locks:
            text = f"{text} {operations.for_update_sql(skip_locked=True)}"
        with self._connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall()
