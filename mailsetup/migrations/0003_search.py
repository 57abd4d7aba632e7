# The search of the mail log, on PostgreSQL alone; see mailsetup/models/search.py.

from django.db import migrations

BREAKS = (
    r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f"
    r"\uff00-\uff0f\uff1a-\uff20]+"
)
TEXT = "replace(search, lower(message_id), ' ')"
CUT = f"regexp_replace(left({TEXT}, 50000), '[^\\s@.,-]{{255}}', ' ', 'g')"
WORDS = (
    "(CASE WHEN octet_length(search) <= 2000 "
    f"THEN array_to_tsvector(array_remove(regexp_split_to_array({TEXT}, '{BREAKS}'), '')) "
    f"ELSE array_to_tsvector(array_remove(regexp_split_to_array({CUT}, '{BREAKS}'), '')) END)"
)
SETTLED = "state NOT IN ('queued', 'sending')"
# The list of what is not in the index yet is read in full at each search: 256 kB of it at most.
# The second condition keeps the planner from reading the second index whole in place of the first.
INDEXES = {
    "mailsetup_message_words": (
        f"gin ({WORDS}) WITH (gin_pending_list_limit = 256) WHERE {SETTLED}"
    ),
    "mailsetup_message_msgid": (
        f"btree (lower(message_id) text_pattern_ops) WHERE {SETTLED} AND message_id > ''"
    ),
}


def create(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name, what in INDEXES.items():
        schema_editor.execute(
            f"CREATE INDEX {name} ON mailsetup_message USING {what}", params=None
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name in INDEXES:
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}", params=None)


class Migration(migrations.Migration):

    dependencies = [
        ("mailsetup", "0002_outbox"),
    ]

    operations = [
        migrations.RunPython(create, drop),
    ]
