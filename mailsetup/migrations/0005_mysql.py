# What MySQL and MariaDB lack otherwise; other databases stay as they are.
#
# They build an index with a condition as one without: that of the waiting messages would lead
# through the whole log, and that of the troubled ones be a second primary key. There the column of
# the condition goes first. Their usual collations take "order-a" and "Order-Á" for one key.

from django.db import migrations

PLAIN = {
    "mailsetup_message_due": "requested, priority, due_at",
    "mailsetup_message_trouble": "id DESC",
}
LED = {
    "mailsetup_message_due": "state, requested, priority, due_at",
    "mailsetup_message_trouble": "needs_attention, id DESC",
}
EXACT = "MODIFY idempotency_key varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL"
USUAL = "MODIFY idempotency_key varchar(200) NULL"


def change(schema_editor, indexes, column):
    if schema_editor.connection.vendor != "mysql":
        return
    parts = [f"DROP INDEX {name}, ADD INDEX {name} ({columns})" for name, columns in indexes.items()]
    schema_editor.execute(f"ALTER TABLE mailsetup_message {', '.join([*parts, column])}", params=None)


def forwards(apps, schema_editor):
    change(schema_editor, LED, EXACT)


def backwards(apps, schema_editor):
    change(schema_editor, PLAIN, USUAL)


class Migration(migrations.Migration):

    dependencies = [
        ("mailsetup", "0004_in_flight"),
    ]

    operations = [
        # They cannot change a table within a transaction.
        migrations.RunPython(forwards, backwards, atomic=False),
    ]
