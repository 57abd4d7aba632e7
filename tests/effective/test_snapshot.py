"""Profiles are kept in memory, and every edit is noticed in time."""

from __future__ import annotations

import asyncio
import threading
import uuid

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from mailsetup import effective
from mailsetup.effective import snapshot
from mailsetup.exceptions import (
    NoProfileError,
)
from mailsetup.models import SMTPProfile
from tests.effective.conftest import store as profile


def edit_elsewhere(host, slug="shop"):
    """Edit a profile as another process does: this one gets no signal."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mailsetup_smtpprofile SET host = %s WHERE slug = %s", [host, slug])
        cursor.execute("UPDATE mailsetup_profilesversion SET mark = %s", [uuid.uuid4().hex])


@pytest.mark.django_db(transaction=True)
def test_within_the_probe_time_no_query_is_asked(patient, django_assert_num_queries):
    profile()
    profile("news")
    first = effective.resolve()
    with django_assert_num_queries(0):
        assert effective.resolve() is first
        effective.resolve("news")
        effective.known_slugs()


@pytest.mark.django_db(transaction=True)
def test_after_the_probe_time_one_small_query_is_asked(impatient, django_assert_num_queries):
    profile()
    first = effective.resolve()
    with django_assert_num_queries(1) as asked:
        assert effective.resolve() is first
    assert "profilesversion" in asked.captured_queries[0]["sql"]


@pytest.mark.django_db(transaction=True)
def test_an_edit_elsewhere_is_noticed_at_the_next_probe(impatient, django_assert_num_queries):
    profile()
    assert effective.resolve()["host"] == "one.example.com"
    edit_elsewhere("two.example.com")
    with django_assert_num_queries(2):
        assert effective.resolve()["host"] == "two.example.com"


@pytest.mark.django_db(transaction=True)
def test_an_edit_elsewhere_is_not_asked_for_before(patient):
    profile()
    effective.resolve()
    edit_elsewhere("two.example.com")
    assert effective.resolve()["host"] == "one.example.com"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "edit",
    [
        lambda row: SMTPProfile.objects.update_or_create(
            slug="shop", defaults={"host": "two.example.com"}
        ),
        lambda row: SMTPProfile.objects.update(host="two.example.com"),
        lambda row: SMTPProfile.objects.filter(pk=row.pk).update(host="two.example.com"),
    ],
)
def test_an_edit_of_this_process_counts_at_once(patient, edit):
    row = profile()
    effective.resolve()
    edit(row)
    assert effective.resolve()["host"] == "two.example.com"


@pytest.mark.django_db(transaction=True)
def test_bulk_methods_count_at_once(patient):
    row = profile()
    effective.resolve()
    row.host = "two.example.com"
    SMTPProfile.objects.bulk_update([row], ["host"])
    assert effective.resolve()["host"] == "two.example.com"
    SMTPProfile.objects.bulk_create([SMTPProfile(slug="bulk", host="bulk.example.com")])
    assert effective.resolve("bulk")["host"] == "bulk.example.com"


@pytest.mark.django_db(transaction=True)
def test_what_another_thread_read_before_the_commit_does_not_stay(patient):
    row = profile()

    def elsewhere():
        try:
            hosts.append(effective.resolve()["host"])
        finally:
            connection.close()

    hosts = []
    with transaction.atomic():
        row.host = "two.example.com"
        row.save()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(30)
    assert hosts == ["one.example.com"]
    assert effective.resolve()["host"] == "two.example.com"


@pytest.mark.django_db(transaction=True)
def test_what_was_read_before_an_edit_is_not_kept_after_it(patient, monkeypatch):
    row = profile()
    effective.forget()
    read = snapshot._reload

    def slowly(known, database):
        loaded = read(known, database)
        monkeypatch.setattr(snapshot, "_reload", read)
        row.host = "two.example.com"
        row.save()
        return loaded

    monkeypatch.setattr(snapshot, "_reload", slowly)
    assert effective.resolve()["host"] == "one.example.com"
    assert effective.resolve()["host"] == "two.example.com"


@pytest.mark.django_db(transaction=True)
def test_a_transaction_sees_its_own_edit_and_a_rollback_undoes_it(patient):
    row = profile()
    effective.resolve()
    with transaction.atomic():
        row.host = "two.example.com"
        row.save()
        assert effective.resolve()["host"] == "two.example.com"
        edit_elsewhere("three.example.com")
        assert effective.resolve()["host"] == "three.example.com"
        transaction.set_rollback(True)
    assert effective.resolve()["host"] == "one.example.com"


@pytest.mark.django_db(transaction=True)
def test_a_broken_transaction_still_resolves(patient):
    profile()
    for forget in (effective.forget, lambda: None):
        with transaction.atomic():
            transaction.set_rollback(True)
            forget()
            assert effective.resolve()["host"] == "one.example.com"


@pytest.mark.django_db(transaction=True)
def test_in_an_event_loop_no_query_runs_in_its_thread(impatient):
    profile()

    async def look_up():
        return effective.resolve()["host"], effective.known_slugs()

    assert asyncio.run(look_up()) == ("one.example.com", ["shop"])
    edit_elsewhere("two.example.com")
    assert asyncio.run(look_up())[0] == "two.example.com"


@pytest.mark.django_db(transaction=True)
def test_a_deleted_default_gives_its_place_to_the_first_active_one(patient):
    first = profile("first")
    profile("second", active=False)
    profile("third")
    assert effective.resolve().slug == "first"
    first.delete()
    assert effective.resolve().slug == "third"
    assert effective.known_slugs() == ["third", "second"]
    SMTPProfile.objects.all().delete()
    with pytest.raises(NoProfileError):
        effective.resolve()


@pytest.mark.django_db(transaction=True)
def test_a_flush_empties_the_memory(patient):
    profile()
    effective.resolve()
    call_command("flush", verbosity=0, interactive=False)
    with pytest.raises(NoProfileError):
        effective.resolve()


@pytest.mark.django_db(transaction=True)
def test_a_value_that_was_resolved_never_changes(impatient):
    row = profile()
    before = effective.resolve()
    row.host = "two.example.com"
    row.save()
    assert effective.resolve() is not before
    assert before["host"] == "one.example.com"


@pytest.mark.django_db(transaction=True)
def test_many_threads_meet_one_consistent_version(impatient):
    row = profile(from_name="0", ehlo_name="n0.example.com")
    seen, stop = [], threading.Event()

    def look():
        try:
            while not stop.is_set():
                found = effective.resolve()
                seen.append((found["from_name"], found["ehlo_name"]))
        except Exception as error:
            seen.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 15):
        row.from_name, row.ehlo_name = str(number), f"n{number}.example.com"
        row.save()
    stop.set()
    for thread in threads:
        thread.join(30)
    assert {*seen} <= {(str(n), f"n{n}.example.com") for n in range(15)}
    assert effective.resolve()["from_name"] == "14"
    assert snapshot._current is not None
