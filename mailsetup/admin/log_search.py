"""The search of the mail log: addresses, subject, Message-ID; fast at a million rows.

On PostgreSQL it looks at the newest mails one by one, anywhere in their text, and finds older ones
by an index, from the beginning of a word. Neither looks at more than a fixed number of rows, so a
word that is everywhere, or nowhere, takes no longer than another. What had to be left out is told.
Elsewhere the text is searched for what was typed.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet

from mailsetup.models import Message, State
from mailsetup.models.search import (
    MESSAGE_ID_SQL,
    SETTLED_SQL,
    WORDS_SQL,
    like,
    terms_of,
    tsquery,
    words_of,
)

# How many mails a search finds at most; the next ones are found from the last one on.
MOST = 1000
# How many of the newest mails are read one by one.
NEWEST = 100_000
# How many mails are read of those that the index finds.
MOST_BY_INDEX = 5000


@dataclass(slots=True)
class Found:
    """What a search found.

    Attributes:
        keys: primary keys, the newest first.
        before: there may be more before this key; None where all were found.
        looked_at: how many mails were read one by one, where older ones were left out.
        mixed: there are too many older ones to tell which are the newest; some of them.
    """

    keys: list[int] = field(default_factory=list)
    before: int | None = None
    looked_at: int = 0
    mixed: bool = False


def search(queryset: QuerySet[Message], query: str) -> tuple[QuerySet[Message], Found | None]:
    """Return the mails of a list that a search finds.

    Args:
        queryset: the list, its filters applied.
        query: what was typed.

    Returns:
        The mails, and how far the search went; None where it went all the way.
    """
    terms = terms_of(query)
    if not terms:
        return queryset, None
    if connections[queryset.db].vendor != "postgresql":
        for term in terms:
            queryset = queryset.filter(search__contains=term)
        return queryset, None
    found = _find(queryset, terms)
    return queryset.filter(pk__in=found.keys), found


def _find(queryset: QuerySet[Message], terms: list[str]) -> Found:
    count, oldest, keys = _newest(queryset, terms)
    if len(keys) > MOST:
        return Found(keys[:MOST], before=keys[MOST - 1])
    if count < NEWEST:
        return Found(keys)
    total, older = _by_words(queryset.db, terms)
    older = [key for key in older if key < oldest]
    if total <= MOST_BY_INDEX:
        older += _waiting(queryset, terms, oldest) + _by_message_id(queryset.db, terms)
        keys = sorted({*keys, *older}, reverse=True)
        more = len(keys) > MOST
        return Found(keys[:MOST], before=keys[MOST - 1] if more else None)
    if keys:
        return Found(keys, before=oldest, looked_at=NEWEST)
    return Found(sorted(older, reverse=True)[:MOST], looked_at=NEWEST, mixed=True)


def _newest(queryset: QuerySet[Message], terms: list[str]) -> tuple[int, int, list[int]]:
    """Search the newest mails one by one: how many, the oldest of them, and what is found."""
    rows = queryset.order_by("-pk").values("pk", "search")[:NEWEST]
    inner, params = rows.query.sql_with_params()
    where, patterns = _contains(terms)
    statement = (
        "SELECT count(*), min(id), "  # noqa: S608 - our own names
        f"(array_agg(id) FILTER (WHERE {where}))[1:{MOST + 1}] "
        f"FROM ({inner}) AS newest (id, search)"
    )
    count, oldest, keys = _row(queryset.db, statement, [*patterns, *params])
    return count, oldest or 0, keys or []


def _by_words(using: str, terms: list[str]) -> tuple[int, list[int]]:
    """Search by the words: how many of them were read, and those that have the terms."""
    words = tsquery(terms)
    if not words:
        return 0, []
    where, patterns = _contains(terms)
    statement = (
        f"SELECT count(*), array_agg(id) FILTER (WHERE {where}) FROM ("  # noqa: S608
        f"SELECT id, search FROM {_table()} WHERE {SETTLED_SQL} "
        f"AND {WORDS_SQL.replace('%', '%%')} @@ %s::tsquery LIMIT {MOST_BY_INDEX + 1}) AS found"
    )
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        # A guess that half of the rows have a word would have all of them read; the index never
        # does.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(statement, [*patterns, words])
        count, keys = cursor.fetchone()
        cursor.execute("SET LOCAL enable_seqscan = DEFAULT")
    return count, keys or []


def _by_message_id(using: str, terms: list[str]) -> list[int]:
    """Search for a Message-ID by its beginning."""
    if len(terms) > 1 or not words_of(terms[0]):
        return []
    statement = (
        f"SELECT array_agg(id) FROM (SELECT id FROM {_table()} "  # noqa: S608
        f"WHERE {SETTLED_SQL} "
        f"AND {MESSAGE_ID_SQL} LIKE %s LIMIT {MOST}) AS found"
    )
    pattern = "<" + like(terms[0].strip("<>")) + "%"
    return _row(using, statement, [pattern])[0] or []


def _waiting(queryset: QuerySet[Message], terms: list[str], oldest: int) -> list[int]:
    """Search older mails that are not in the index yet, because they still wait."""
    rows = queryset.filter(pk__lt=oldest, state__in=[State.QUEUED, State.SENDING])
    return _newest(rows, terms)[2][:MOST]


def _contains(terms: list[str]) -> tuple[str, list[str]]:
    patterns = [f"%{like(term)}%" for term in terms]
    return " AND ".join(["search LIKE %s"] * len(terms)), patterns


def _row(using: str, statement: str, params: list[Any]) -> Any:
    with connections[using].cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchone()


def _table() -> str:
    return Message._meta.db_table
