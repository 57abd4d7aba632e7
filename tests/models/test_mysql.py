"""What is different on MySQL and MariaDB, as far as it can be seen elsewhere."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailsetup.models import Message, ProfilesVersion, SMTPProfile

migration = import_module("mailsetup.migrations.0005_mysql")


class Editor:
    """Takes down what a migration would execute."""

    def __init__(self, vendor: str) -> None:
        self.connection = SimpleNamespace(vendor=vendor)
        self.statements: list[str] = []

    def execute(self, statement: str, params: None) -> None:
        self.statements.append(statement)


def statement(run: object, vendor: str = "mysql") -> str:
    editor = Editor(vendor)
    run(None, editor)
    return "".join(editor.statements)


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "oracle"])
def test_other_databases_stay_as_they_are(vendor):
    assert statement(migration.forwards, vendor) == statement(migration.backwards, vendor) == ""


def test_an_index_that_loses_its_condition_begins_with_the_conditions_column():
    led = statement(migration.forwards)
    plain = statement(migration.backwards)
    indexes = {index.name: index for index in Message._meta.indexes}
    for name, column in {"due": "state", "trouble": "needs_attention"}.items():
        index = indexes[f"mailsetup_message_{name}"]
        columns = ", ".join(f"{field} {way}".strip() for field, way in index.fields_orders)
        assert column in str(index.condition)
        head = f"DROP INDEX {index.name}, ADD INDEX {index.name} ("
        assert f"{head}{column}, {columns})" in led
        assert f"{head}{columns})" in plain


def test_idempotency_keys_are_compared_as_they_are_written():
    column = Message._meta.get_field("idempotency_key")
    exact = f"MODIFY {column.column} varchar({column.max_length})"
    led = statement(migration.forwards)
    assert f"{exact} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL" in led
    assert f"{exact} NULL" in statement(migration.backwards)


@pytest.mark.parametrize("has_constraint", [True, False])
def test_who_saves_a_profile_takes_turns_where_no_constraint_keeps_one_default(
    db, monkeypatch, has_constraint
):
    SMTPProfile.objects.create(slug="first", host="smtp.example.com")
    monkeypatch.setattr(connection.features, "supports_partial_indexes", has_constraint)
    with CaptureQueriesContext(connection) as queries:
        SMTPProfile.objects.create(slug="second", host="smtp.example.com")
    tables = [one["sql"] for one in queries if "SAVEPOINT" not in one["sql"]]
    assert (ProfilesVersion._meta.db_table in tables[0]) is not has_constraint
