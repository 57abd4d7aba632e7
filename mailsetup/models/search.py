"""The words of the mail log, as the search box finds them at a million rows on PostgreSQL.

A GIN index holds the words of each settled message (addresses, subject), another one its
Message-ID. Messages that still wait are in neither: each of their many updates would write to
both. The index works without any extension, so no superuser is needed; a migration makes it on
PostgreSQL alone.
"""

import re

# What stands between words, for PostgreSQL and Python alike; never by the database's locale.
BREAKS = (
    r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f"
    r"\uff00-\uff0f\uff1a-\uff20]+"
)

# A tsvector holds no word of 2,048 octets or more, and not a megabyte in all: only a text that
# may have such is cut. Its own parser is not used: it takes 178e12ab for a number and a word.
_TEXT = "replace(search, lower(message_id), ' ')"
_CUT = f"regexp_replace(left({_TEXT}, 50000), '[^\\s@.,-]{{255}}', ' ', 'g')"
_WORDS = "array_to_tsvector(array_remove(regexp_split_to_array({text}, '{breaks}'), ''))"
WORDS_SQL = (
    f"(CASE WHEN octet_length(search) <= 2000 THEN {_WORDS.format(text=_TEXT, breaks=BREAKS)} "
    f"ELSE {_WORDS.format(text=_CUT, breaks=BREAKS)} END)"
)
MESSAGE_ID_SQL = "message_id > '' AND lower(message_id)"
# As in the condition of both indexes, word for word, or the planner does not use them.
SETTLED_SQL = "state NOT IN ('queued', 'sending')"

_BREAKS = re.compile(BREAKS)
# An ending such as "com" stands in almost every row; what is before it finds them as well.
_SHORTEST_ENDING = 4


def terms_of(query: str) -> list[str]:
    """Return what a search asks for: texts in lower case, all of which a mail must have."""
    return [term[:200] for term in query.lower().split()[:8]]


def words_of(term: str) -> list[str]:
    """Return the words in one term, as the index holds them."""
    return [word[:200] for word in _BREAKS.split(term) if word]


def tsquery(terms: list[str]) -> str:
    """Return the terms in the syntax of a ``tsquery``; "" where none has a word.

    The last word of a term may go on. Words hold nothing that the syntax gives a meaning.
    """
    parts = []
    for term in terms:
        words = words_of(term)
        parts += [f"'{word}'" for word in words[:-1]]
        if words and (len(words) == 1 or len(words[-1]) >= _SHORTEST_ENDING):
            parts.append(f"'{words[-1]}':*")
    return " & ".join(parts)


def like(text: str) -> str:
    """Return a text as a LIKE pattern that stands for itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)
