"""The search on PostgreSQL, with its limits set to a few mails.

Run with ``DATABASE_URL`` naming a server; on another database there is nothing here to test.
"""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailsetup.admin import log_search
from mailsetup.models import Message, State
from mailsetup.models.search import MESSAGE_ID_SQL, SETTLED_SQL, WORDS_SQL
from tests import mails


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(log_search, "NEWEST", 4)
    monkeypatch.setattr(log_search, "MOST", 6)
    monkeypatch.setattr(log_search, "MOST_BY_INDEX", 8)


def fill(count, **fields):
    fields = {"recipients": ["ben@example.net"]} | fields
    return [mails.mail(**fields).pk for _each in range(count)][::-1]


def found(query, rows=None):
    queryset, how = log_search.search(Message.objects.all() if rows is None else rows, query)
    return list(queryset.order_by("-pk").values_list("pk", flat=True)), how


if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
    pytestmark = pytest.mark.django_db

    def test_older_mail_is_found_by_the_index():
        old = mails.mail(
            subject="Xác nhận: đơn hàng “4711”",
            recipients=["Anna.Smith139@Example.org"],
            message_id="<178e12ab.A7@shop.example.com>",
        ).pk
        fill(10)
        queries = ["anna.smith139@example.org", "smith1", "4711", "nhận đơn", "SMITH139"]
        queries += ["anna 4711"]
        queries += ["<178e12ab.a7@shop.example.com>", "178e12ab", "<178e", "example.org đơn"]
        for query in queries:
            assert found(query) == ([old], log_search.Found([old])), query
        for query in ("nna", "anna newsletter", "smith@example", "zebra", "78e12ab", "%", "_", "'"):
            assert found(query)[0] == [], query

    def test_newest_mails_are_found_by_any_part_of_them():
        row = mails.mail(subject="Rechnungskopie 12").pk
        assert found("kopie")[0] == [row]

    def test_older_mail_that_still_waits_is_found():
        for state in (State.QUEUED, State.SENDING):
            row = mails.mail(state, subject="Zebra").pk
            fill(10)
            assert found("zebra")[0] == [row]
            Message.objects.all().delete()

    def test_frequent_word_is_found_piece_by_piece_and_nothing_is_left_out():
        keys = fill(25, subject="Newsletter")
        seen, rows = [], Message.objects.all()
        for _each in range(10):
            page, how = found("newsletter", rows)
            seen += page
            if how.before is None:
                break
            rows = Message.objects.filter(pk__lt=how.before)
        assert seen == keys

    def test_word_of_some_newest_and_many_older_mails_tells_where_it_stopped():
        fill(20, subject="Newsletter")
        fill(2)
        newest = fill(2, subject="Newsletter")
        keys, how = found("newsletter")
        assert keys == newest
        assert (how.before, how.looked_at, how.mixed) == (min(newest) - 2, 4, False)

    def test_word_that_was_frequent_once_gives_some_of_them_and_says_so():
        keys = fill(20, subject="March offer")
        fill(10)
        page, how = found("march")
        assert len(page) == 6
        assert set(page) < set(keys)
        assert how.mixed
        assert how.before is None

    def test_filters_hold_for_what_the_index_finds():
        failed = mails.mail(State.FAILED, subject="Invoice").pk
        fill(3, subject="Invoice")
        fill(10)
        rows = Message.objects.filter(state=State.FAILED)
        assert found("invoice", rows)[0] == [failed]
        rows = Message.objects.exclude(state=State.FAILED)
        assert failed not in found("invoice", rows)[0]

    def test_number_of_queries_has_a_bound():
        fill(30, subject="Newsletter")
        for query in ("newsletter", "zebra", "a", "anna@example.org", "<1@shop", "news zebra"):
            with CaptureQueriesContext(connection) as captured:
                found(query)
            # One; where the index is asked, three more in a savepoint of two, and two others.
            assert len(captured) <= 9, query

    def test_setting_of_the_planner_does_not_outlive_the_search():
        fill(10)
        found("zebra")
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_seqscan")
            assert cursor.fetchone() == ("on",)

    def test_both_indexes_serve():
        fill(3)
        words = f"{WORDS_SQL.replace('%', '%%')} @@ %s::tsquery"
        statements = {
            "mailsetup_message_words": (words, "'anna':*"),
            "mailsetup_message_msgid": (f"{MESSAGE_ID_SQL} LIKE %s", "<1@%"),
        }
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            for name, (where, value) in statements.items():
                statement = f"EXPLAIN SELECT id FROM mailsetup_message WHERE {SETTLED_SQL}"
                cursor.execute(f"{statement} AND {where}", [value])
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert name in plan

    @pytest.mark.parametrize(
        "fields",
        [
            {"recipients": [f"person{n}@example.org" for n in range(40_000)]},
            {"subject": "x" * 500, "recipients": ["y" * 5000 + "@example.org"]},
            {"subject": "ế" * 500, "recipients": ["ế" * 3000]},
            {"subject": "", "recipients": [], "message_id": "", "from_email": ""},
            {"subject": "' \\ :* & | ! ( ) <-> \x01\x7f\u2028\ufeff😀"},
        ],
        ids=["many", "long", "long letters", "nothing", "signs"],
    )
    def test_mail_of_any_shape_is_taken_and_found(fields):
        row = mails.mail(**{"message_id": "<a1@x>"} | fields).pk
        fill(10)
        if fields.get("message_id") != "":
            assert found("<a1@x")[0] == [row]
        Message.objects.filter(pk=row).update(state=State.FAILED)
