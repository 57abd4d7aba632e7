"""The mail log's list: what it shows, finds and counts, and how many queries it takes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailsetup.admin import log_filters, log_search, trouble
from mailsetup.models import Message, State
from tests import mails
from tests.admin.conftest import text
from tests.admin.test_log_permissions import person
from tests.admin.test_trouble import hold, stop

LIST = "admin:mailsetup_message_changelist"


@pytest.fixture
def listed(client, db):
    """Return a function that opens the list and returns the keys that it shows."""

    def open_list(**query):
        response = client.get(reverse(LIST), query)
        assert response.status_code == 200
        return [row.pk for row in response.context_data["cl"].result_list]

    return open_list


def queries_of(client, **query):
    trouble.forget()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(reverse(LIST), query).status_code == 200
    return [each["sql"] for each in captured]


def test_each_row_tells_what_happened(client, db):
    mails.mail(
        State.FAILED,
        subject="Invoice 12",
        recipients=["anna@example.org", "ben@example.org", "chloe@example.org"],
        reason="550 5.1.1 No such user here",
        needs_attention=True,
    )
    mails.mail(State.QUEUED, due_at=timezone.now() + timedelta(minutes=30, seconds=30))
    page = text(client.get(reverse(LIST)))
    for words in ("Invoice 12", "shop@example.com", "anna@example.org, ben@example.org and 1 more"):
        assert words in page
    for words in ("failed", "needs attention", "550 5.1.1 No such user here", "in 30 minutes"):
        assert words in page
    assert "shop. views. OrderView" in page


@pytest.mark.parametrize(
    ("keep", "words"), [(stop, "the profile is stopped"), (hold, "the profile waits")]
)
def test_mail_whose_profile_is_kept_back_is_not_due_now(client, profile, keep, words):
    keep()
    mails.mail(State.QUEUED)
    mails.mail(State.QUEUED, profile="other")
    page = client.get(reverse(LIST)).content.decode()
    assert page.count(f">{words}</time>") == 1
    assert page.count(">due now</time>") == 1


def test_mail_due_after_its_profile_goes_on_tells_its_own_time(client, profile):
    hold()
    mails.mail(State.QUEUED, due_at=timezone.now() + timedelta(hours=5, seconds=30))
    page = client.get(reverse(LIST)).content.decode()
    assert ">in 5\N{NO-BREAK SPACE}hours</time>" in page


def test_profile_kept_back_is_told_once_with_a_button_for_who_may(client, profile):
    hold()
    page = client.get(reverse(LIST))
    assert text(page).count("waits for another") == 1
    assert 'form="mailsetup-resume-1"' in page.content.decode()
    page = person("view").get(reverse(LIST))
    assert text(page).count("waits for another") == 1
    assert "mailsetup-resume" not in page.content.decode()


def test_empty_log_says_what_it_is_for(client, db):
    assert "Every mail that the site sends is written down here" in text(client.get(reverse(LIST)))
    mails.mail()
    assert "No mail is like that" in text(client.get(reverse(LIST), {"q": "zebra"}))


def test_filters_keep_what_they_say(listed):
    old = timezone.now() - timedelta(days=20)
    sent = mails.mail(created_at=old, app="newsletter", profile="bulk").pk
    failed = mails.mail(State.FAILED, needs_attention=True).pk
    waiting = mails.mail(State.QUEUED, app="", profile="").pk
    assert listed() == [waiting, failed, sent]
    assert listed(state="failed") == [failed]
    assert listed(attention="1") == [failed]
    assert listed(app="newsletter") == [sent]
    assert listed(profile="bulk") == [sent]
    assert listed(date="30") == [waiting, failed, sent]
    assert listed(date="7") == listed(date="today") == [waiting, failed]
    assert listed(before=str(waiting)) == [failed, sent]
    assert listed(state="sent", app="shop") == []


@pytest.mark.parametrize("query", ["before=x", "before=²", "date=x", "state=x", "p=99", "p=x"])
def test_address_typed_by_hand_is_no_error(client, db, query):
    mails.mail()
    assert client.get(f"{reverse(LIST)}?{query}", follow=True).status_code == 200


def test_column_that_is_not_offered_is_no_filter(client, db):
    assert client.get(reverse(LIST), {"content__startswith": "x"}).status_code == 400
    assert client.get(reverse(LIST), {"worker": "x"}).status_code == 400


def test_search_finds_addresses_subjects_and_message_ids(listed):
    mails.mail(subject="Weekly newsletter", recipients=["ben@example.org"])
    wanted = mails.mail(
        subject="Xác nhận đơn hàng 100%", recipients=["Anna.Smith@example.org"], message_id="<A7@x>"
    ).pk
    for query in ("anna.smith@example.org", "ANNA", "nhận đơn", "<a7@x>", "100%", "anna hàng"):
        assert listed(q=query) == [wanted], query
    assert listed(q="anna newsletter") == []
    assert listed(q="100_") == []
    assert len(listed(q="  ")) == 2


def test_search_keeps_to_the_filters(listed):
    failed = mails.mail(State.FAILED, subject="Invoice").pk
    sent = mails.mail(subject="Invoice").pk
    assert listed(q="invoice") == [sent, failed]
    assert listed(q="invoice", state="failed") == [failed]


def test_counters_tell_each_state_that_there_is(client, db, monkeypatch):
    monkeypatch.setattr(log_filters, "MOST_COUNTED", 3)
    for _each in range(5):
        mails.mail()
    mails.mail(State.FAILED, needs_attention=True)
    counters = client.get(reverse(LIST)).context_data["counters"]
    assert [(each["kind"], each["count"]) for each in counters] == [
        ("attention", "1"),
        ("sent", "3+"),
        ("failed", "1"),
    ]


def test_pages_end_and_the_list_goes_on_before_the_last_mail(client, db, monkeypatch):
    monkeypatch.setattr(log_filters, "MOST_COUNTED", 60)
    keys = [mails.mail().pk for _each in range(130)][::-1]
    first = client.get(reverse(LIST)).context_data["cl"]
    assert (first.result_count, first.total, first.on_url) == (60, "60+", "")
    seen, address = [], reverse(LIST)
    while address:
        listed = client.get(address).context_data["cl"]
        seen += [row.pk for row in listed.result_list]
        following = listed.older_url or listed.on_url
        address = following and reverse(LIST) + following
    assert seen == keys


def test_number_of_queries_does_not_grow_with_the_log(client, db):
    def fill(count):
        for number in range(count):
            row = mails.mail(
                list(State)[number % 9],
                subject=f"Mail {number}",
                app=f"app{number % 3}",
                needs_attention=number % 2 == 0,
            )
            mails.attempt(row)

    fill(9)
    # The first page of a process reads the profiles.
    queries_of(client)
    few = {query: len(queries_of(client, **dict([query]))) for query in QUERIES}
    fill(150)
    many = {query: len(queries_of(client, **dict([query]))) for query in QUERIES}
    assert few == many
    # Session and user 2, trouble 6 (two of them a savepoint, two ask whether a profile was edited),
    # choices 2, count, rows, counters; PostgreSQL reads the newest mails first.
    first = int(connection.vendor == "postgresql")
    assert {query: count - 13 for query, count in many.items() if count != 13} == (
        {("q", "mail"): first} if first else {}
    )


QUERIES = [("p", "1"), ("q", "mail"), ("state", "sent"), ("attention", "1"), ("date", "7")]
QUERIES += [("app", "app1"), ("profile", "shop")]


def test_list_reads_no_content(client, db):
    mails.mail(kept=mails.octets())
    statements = queries_of(client)
    assert not any('"mailsetup_message"."content"' in each for each in statements)


def test_every_count_is_limited(client, db):
    mails.mail(State.FAILED, needs_attention=True)
    counting = [sql for sql in queries_of(client, q="mail") if "COUNT(" in sql]
    assert counting
    assert all("LIMIT" in sql for sql in counting)


def test_choices_are_looked_up_one_by_one(db):
    for app in ("shop", "", "auth", "shop", "newsletter"):
        mails.mail(app=app)
    assert log_filters.distinct(Message.objects.all(), "app") == ["auth", "newsletter", "shop"]


def test_choice_that_is_not_among_those_looked_up_can_be_undone(client, db):
    mails.mail()
    page = client.get(reverse(LIST), {"app": "elsewhere"}).content.decode()
    assert ">elsewhere</a>" in page


def test_links_of_the_list_keep_its_filters(client, db):
    for _each in range(60):
        mails.mail(State.FAILED)
    found = client.get(reverse(LIST), {"state": "failed", "q": "reset"}).context_data["cl"]
    assert found.older_url == "?p=2&q=reset&state=failed"


def test_terms_and_words_are_cut_as_the_index_cuts_them():
    from mailsetup.models import search

    assert search.terms_of(" Anna.Smith@Example.org  đơn ") == ["anna.smith@example.org", "đơn"]
    assert search.words_of("<anna.smith@example.org>") == ["anna", "smith", "example", "org"]
    assert search.tsquery(["anna@example.com", "đơn"]) == "'anna' & 'example' & 'đơn':*"
    assert search.tsquery(["');drop|table:x--", "\\", ":*"]) == "'drop' & 'table'"
    assert search.like("100%_\\") == "100\\%\\_\\\\"


PARTS = ["message_id > ''", "lower(message_id)"]


def test_migration_makes_the_index_that_the_search_asks_for():
    from importlib import import_module

    from mailsetup.models import search

    migration = import_module("mailsetup.migrations.0003_search")
    assert migration.WORDS == search.WORDS_SQL
    assert migration.SETTLED == search.SETTLED_SQL
    assert {part in migration.INDEXES["mailsetup_message_msgid"] for part in PARTS} == {True}
    assert search.MESSAGE_ID_SQL.split(" AND ") == PARTS


def test_too_much_that_is_old_is_told(client, db, monkeypatch):
    def found(queryset, query):
        return queryset, log_search.Found(looked_at=100_000, mixed=query == "mixed", before=7)

    monkeypatch.setattr("mailsetup.admin.log_list.search", found)
    mails.mail()
    assert "very many older ones" in text(client.get(reverse(LIST), {"q": "mixed"}))
    page = client.get(reverse(LIST), {"q": "word"})
    assert "There are more among the older ones" in text(page)
    assert "?before=7&amp;q=word" in page.content.decode()
