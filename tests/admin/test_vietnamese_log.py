"""The mail log's pages in Vietnamese, in each of their states, searched for English."""

import csv
import io
from datetime import timedelta

import pytest
from django.conf import settings as site
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from django.utils.translation import override

from mailsetup import diagnosis
from mailsetup.admin import (
    log_actions,
    log_content,
    log_filters,
    log_list,
    log_purge,
    log_search,
    trouble,
)
from mailsetup.delivery import content
from mailsetup.delivery.log.purge import Purged
from mailsetup.models import LogLevel, Priority, ProfileState, State
from mailsetup.smtp.errors import Outcome, Stage
from tests import mails
from tests.admin.conftest import url as profile_url
from tests.admin.test_log_permissions import person, url
from tests.admin.test_trouble import stop
from tests.admin.test_vietnamese import found_in, readable, vietnamese  # noqa: F401 - a fixture

SUBJECT = "Đơn hàng 10023 của Trà Mây"
REFUSED = "mail.example.com, port 587, refused the recipient an@example.org: 550 5.1.1 Khong co"
LOST = (
    "mail.example.com, port 587, did not answer in time before it accepted the message. Whether "
    "the message was accepted is not known."
)


@pytest.fixture
def speaks(vietnamese):  # noqa: F811
    """Return a function that asks for a page and fails where there is English on it."""

    def ask(address, data=None, *, status=200):
        trouble.forget()
        if data is None:
            page = vietnamese.get(address)
        else:
            page = vietnamese.post(address, data, follow=True)
        assert page.status_code == status
        words = readable(page.content.decode())
        assert not found_in(words), address
        return words

    return ask


def put(state=State.SENT, kept=None, **fields):
    return mails.mail(state, kept, **{"subject": SUBJECT, "reason": REFUSED} | fields)


def kept():
    return mails.octets(subject=SUBJECT, text="Xin chào.\n", html="<p>Xin chào.</p>")


def test_list_with_every_state(speaks, db):
    for state in State:
        put(state, needs_attention=True, attempts_made=2, resent_from=1)
    later = timezone.now() + timedelta(seconds=30)
    put(State.QUEUED, due_at=later, subject="")
    put(State.QUEUED, due_at=later + timedelta(hours=3), recipients=["an@example.org"] * 4)
    words = speaks(url("changelist"))
    for state in State:
        with override("vi"):
            assert str(state.label) in words
    assert "từ chối người nhận an@example.org: 550 5.1.1 Khong co" in words
    assert "trong chưa đầy một phút nữa" in words
    assert "và 2 người nữa" in words


@pytest.mark.parametrize(
    "query",
    ["q=không-có", "state=sent", "attention=1", "date=today", "app=shop", "profile=shop", "q=an"],
)
def test_list_searched_and_filtered(speaks, db, query):
    put()
    speaks(f"{url('changelist')}?{query}")


def test_list_that_is_empty(speaks, db):
    assert "Chưa có thư nào được gửi." in speaks(url("changelist"))


def test_list_of_many_pages(speaks, db):
    for _each in range(60):
        put()
    assert "Cũ hơn" in speaks(url("changelist"))
    assert "Mới hơn" in speaks(f"{url('changelist')}?p=2")


@pytest.mark.parametrize("mixed", [True, False])
def test_search_that_went_not_all_the_way(speaks, db, monkeypatch, mixed):
    """As on PostgreSQL, where the log is too long to be searched in one go."""
    found = log_search.Found(keys=[put().pk], before=1, looked_at=100_000, mixed=mixed)
    monkeypatch.setattr(log_list, "search", lambda queryset, query: (queryset, found))
    words = speaks(f"{url('changelist')}?q=tr")
    assert "thư mới nhất" in words


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("level", list(LogLevel))
def test_page_of_a_mail_in_every_state(speaks, profile, state, level):
    row = put(state, kept() if level == LogLevel.CONTENT else None, needs_attention=True)
    row.log, row.expires_at, row.resent_from = level, timezone.now(), row.pk
    row.priority = Priority.BULK
    row.save()
    mails.attempt(row)
    speaks(url("change", row.pk))


def test_page_of_a_mail_that_was_not_tried(speaks, db):
    speaks(url("change", put(State.QUEUED, reason="", subject="").pk))
    speaks(url("change", put(State.SET_ASIDE, attempts_made=0, recipients=[]).pk))


@pytest.mark.parametrize("outcome", ["", *Outcome])
def test_attempts_with_every_outcome_and_stage(speaks, db, outcome):
    row = put(State.FAILED)
    for stage in Stage:
        refused = [mails.refusal("an@example.org", outcome=str(outcome))]
        values = {"stage": stage, "outcome": outcome, "error": LOST, "refused": refused}
        mails.attempt(row, seconds=3.5, code=None, enhanced_code="", reply="", **values)
    words = speaks(url("change", row.pk))
    assert "không trả lời kịp trước khi xác nhận đã nhận thư. Không rõ thư đã được" in words


def test_attempts_with_every_cause(speaks, db):
    row = put(State.FAILED)
    rules = diagnosis.all_rules()
    for number in range(0, len(rules), 50):
        row.attempts.all().delete()
        for rule in rules[number : number + 50]:
            mails.attempt(row, cause=rule.id, outcome="failed_message", reply="550", accepted=[])
        speaks(url("change", row.pk))


def test_content_hidden_whole_lost_and_forbidden(speaks, db):
    row = put(kept=kept())
    speaks(url("change", row.pk))
    assert "trong mười phút" in speaks(url("reveal", row.pk), {})
    speaks(url("history", row.pk))
    row.content = b"x"
    row.save()
    speaks(url("change", row.pk))
    speaks(url("eml", row.pk), {})
    speaks(url("attachment", row.pk), {"part": "1"})
    other = person("view", "resend")
    other.cookies[site.LANGUAGE_COOKIE_NAME] = "vi"
    words = readable(other.get(url("change", row.pk)).content.decode())
    assert "Bạn không có quyền đọc nội dung thư." in words
    assert not found_in(words)


def test_content_without_text_and_too_long(speaks, db, monkeypatch):
    empty = mails.octets(subject=SUBJECT, text="", html="", files=[("", "image/png", b"x")])
    speaks(url("change", put(kept=empty).pk))
    monkeypatch.setattr(log_content, "MOST_TEXT", 5)
    long = mails.octets(subject=SUBJECT, text="Xin chào.\n", html="")
    assert "Thư quá dài" in speaks(url("change", put(kept=long).pk))


@pytest.mark.parametrize("page", ["resend", "cancel", "send_now", "dealt_with"])
@pytest.mark.parametrize("state", [State.QUEUED, State.AMBIGUOUS, State.SENT])
@pytest.mark.parametrize("is_kept", [True, False])
def test_what_is_done_to_one_mail(speaks, profile, page, state, is_kept):
    row = put(state, kept() if is_kept else None, needs_attention=state == State.AMBIGUOUS)
    if page in {"resend", "cancel"}:
        speaks(url(page, row.pk))
    if page == "resend":
        speaks(url(page, row.pk), {"to": "x"})
        speaks(url(page, row.pk), {"to": "binh@example.org"})
    speaks(url(page, row.pk), {})
    speaks(url("history", row.pk))


@pytest.mark.parametrize(
    "action", ["resend_selected", "send_now_selected", "cancel_selected", "deal_with_selected"]
)
@pytest.mark.parametrize("is_kept", [True, False])
def test_what_is_done_to_many_mails(speaks, profile, action, is_kept):
    rows = [put(state, kept() if is_kept else None, needs_attention=True) for state in State]
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    speaks(url("changelist"), chosen)
    speaks(url("changelist"), chosen | {"confirmed": "yes"})
    # By now none of them fits.
    speaks(url("changelist"), chosen | {"confirmed": "yes"})
    speaks("/admin/")


def test_too_many_mails_to_send_again(speaks, db, monkeypatch):
    monkeypatch.setattr(log_actions, "MOST_AT_ONCE", 1)
    rows = [put(kept=kept()), put(kept=kept())]
    data = {"action": "resend_selected", "_selected_action": [row.pk for row in rows]}
    assert "Chỉ chọn tối đa 1 thư" in speaks(url("changelist"), data)


@pytest.mark.parametrize("seconds", [0, 20, 4000])
def test_profile_that_is_stopped_or_waits(speaks, profile, seconds):
    reason = "mail.example.com, port 587, refused the login: 535 5.7.8 Sai"
    if seconds:
        until = timezone.now() + timedelta(seconds=seconds)
        ProfileState.objects.create(slug="shop", held_until=until, held_reason=reason)
    else:
        stop()
        ProfileState.objects.update(stopped_reason=reason)
    row = put(State.QUEUED)
    pages = [url("changelist"), url("change", row.pk), "/admin/"]
    pages += [profile_url("changelist"), profile_url("change", profile.pk)]
    for page in pages:
        assert "cổng 587 từ chối đăng nhập: 535 5.7.8 Sai" in speaks(page)
    speaks(url("send_now", row.pk), {})
    chosen = {"action": "send_now_selected", "_selected_action": [row.pk]}
    assert "1 thư chưa được gửi" in speaks(url("changelist"), chosen)
    speaks(url("history", row.pk))
    speaks(profile_url("resume"), {"profile": "shop"})
    speaks(profile_url("resume"), {"profile": "shop"})
    assert "Đã cho gửi tiếp." in speaks(profile_url("history", profile.pk))


def test_mails_that_failed_on_every_page(speaks, db, monkeypatch):
    put(State.FAILED, needs_attention=True)
    assert "Có 1 thư thất bại" in speaks("/admin/")
    monkeypatch.setattr(trouble, "MOST_COUNTED", 0)
    assert "Có hơn 0 thư thất bại" in speaks("/admin/")


@pytest.mark.parametrize("days", ["", "x", "-1", "0", "300"])
def test_deletion_of_old_entries(speaks, db, monkeypatch, days):
    old = timezone.now() - timedelta(days=100)
    for _each in range(2):
        put(created_at=old, settled_at=old, needs_attention=True)
    data = {"days": days, "troubled": "on"}
    speaks(url("changelist"))
    speaks(url("purge"))
    speaks(url("purge"), data)
    monkeypatch.setattr(
        log_purge, "purge", lambda limits, **more: Purged(messages=2, finished=False)
    )
    words = speaks(url("purge"), data | {"confirmed": "yes"})
    if days in {"0", "300"}:
        assert "Đã xóa 2 mục trong nhật ký thư." in words
        assert "Vẫn còn nữa." in words


def test_mail_sent_again_twice_and_to_whom_one_may_not_send(speaks, db):
    row = put(kept=kept())
    for _each in range(2):
        words = speaks(url("resend", row.pk), {"_mark": "x" * 20})
    assert "Thư vừa mới được gửi lại." in words
    other = person("view", "resend")
    other.cookies[site.LANGUAGE_COOKIE_NAME] = "vi"
    for page in (
        other.get(url("resend", row.pk)),
        other.post(url("resend", row.pk), {"to": "a@b.c"}),
    ):
        assert not found_in(readable(page.content.decode()))


def test_lost_content_is_told(speaks, db, monkeypatch):
    row = put(kept=kept())
    content.drop_file(row.content_file)
    row.content, row.content_file = None, "gone"
    row.save()
    speaks(url("change", row.pk))


def test_export(vietnamese, db):  # noqa: F811
    for state in State:
        put(state, needs_attention=True, app="tra", caller="tra.gui")
    response = vietnamese.post(url("export"))
    octets = b"".join(response.streaming_content)
    head, *rows = csv.reader(io.StringIO(octets.decode("utf-8-sig"), newline=""))
    assert head[:4] == ["số", "yêu cầu lúc", "kết thúc lúc", "trạng thái"]
    assert not found_in(" ; ".join(head))
    for row in rows:
        assert not found_in(" ; ".join(row))
    assert rows[0][-1] == REFUSED.replace(
        ", port 587, refused the recipient", ", cổng 587 từ chối người nhận"
    )
    assert LogEntry.objects.get().change_message == "Đã xuất thành CSV."


def test_every_choice_of_the_filters_has_vietnamese_words(speaks, db):
    for _each in range(3):
        put(app="")
    assert log_filters.FILTERS
    for each in log_filters.FILTERS:
        speaks(f"{url('changelist')}?{each.parameter_name}=x", status=200)
