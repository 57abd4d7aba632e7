"""What a person does with messages: under which condition it is done, and what it leaves."""

from datetime import timedelta
from email import message_from_bytes

import pytest
from django.utils import timezone

from mailsetup.delivery import content, manage
from mailsetup.models import LogLevel, Message, ProfileState, State
from mailsetup.models.message import SETTLED
from tests import mails

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch):
    """The keys that the engine was told of."""
    keys = []
    monkeypatch.setattr(manage.engines, "notify", keys.extend)
    return keys


def only(row):
    return Message.objects.filter(pk=row.pk)


@pytest.mark.parametrize("state", sorted(SETTLED))
def test_resend_makes_a_new_mail_with_the_same_text(
    state, told, django_capture_on_commit_callbacks
):
    row = mails.mail(state, mails.octets(), needs_attention=True, idempotency_key="once")
    with django_capture_on_commit_callbacks(execute=True):
        new = manage.resend(row)
    new = Message.objects.get(pk=new.pk)
    assert (new.state, new.resent_from, new.attempts_made) == (State.QUEUED, row.pk, 0)
    assert new.idempotency_key is None
    assert (new.recipients, new.subject, new.profile) == (row.recipients, row.subject, row.profile)
    before, after = (message_from_bytes(content.read(each)) for each in (row, new))
    assert after["Message-ID"] == new.message_id != before["Message-ID"]
    assert after["Date"] != before["Date"]
    for name in ("From", "To", "Subject"):
        assert after[name] == before[name]
    assert [part.get_payload() for part in after.walk() if not part.is_multipart()] == [
        part.get_payload() for part in before.walk() if not part.is_multipart()
    ]
    assert new.size == len(content.read(new))
    assert new.message_id.lower() in new.search
    assert told == [new.pk]
    row.refresh_from_db()
    assert not row.needs_attention
    assert row.state == state


def test_resend_to_another_address_goes_to_nobody_else(told):
    kept = mails.octets(headers={"Cc": "Ben <b@example.org>, c@example.org"})
    row = mails.mail(State.FAILED, kept, recipients=["a@example.org", "b@example.org"])
    new = manage.resend(row, "Chloe <chloe@example.org>")
    assert new.recipients == ["chloe@example.org"]
    mail = message_from_bytes(content.read(new))
    assert mail.get_all("To") == ["chloe@example.org"]
    assert mail["Cc"] is None
    assert "anna@example.org" not in new.search


def test_resend_to_the_same_keeps_its_copies(told):
    row = mails.mail(State.FAILED, mails.octets(headers={"Cc": "b@example.org"}))
    new = manage.resend(row)
    assert message_from_bytes(content.read(new))["Cc"] == "b@example.org"


@pytest.mark.parametrize("to", ["a b@example.org", "a@b.example\r\nRCPT TO:<c@b.example>", "a@b@c"])
def test_resend_to_what_is_no_address_stores_nothing(to, told):
    row = mails.mail(State.FAILED, mails.octets())
    with pytest.raises(ValueError, match=r".+"):
        manage.resend(row, to)
    assert Message.objects.count() == 1


@pytest.mark.parametrize("state", sorted(set(State) - SETTLED))
def test_resend_of_what_still_waits_is_refused(state, told):
    row = mails.mail(state, mails.octets())
    with pytest.raises(manage.NotPossibleError, match="still waiting"):
        manage.resend(row)
    assert Message.objects.count() == 1


def test_resend_without_content_is_refused_with_the_reason(told):
    row = mails.mail(State.SENT)
    assert "content is not kept" in manage.why_not_resend(row)
    with pytest.raises(manage.NotPossibleError, match="content is not kept"):
        manage.resend(row)


def test_resend_of_a_large_mail_copies_its_file(told, settings, tmp_path):
    settings.MAILSETUP = {"CONTENT_INLINE": 10, "CONTENT_DIR": tmp_path, "ENGINE": "worker"}
    row = mails.mail(State.FAILED, mails.octets())
    new = manage.resend(row)
    assert new.content is None
    assert new.content_file not in {"", row.content_file}
    content.drop_file(row.content_file)
    assert b"Your new password" in content.read(new)


def test_resend_that_the_database_refuses_leaves_no_file(told, settings, tmp_path, monkeypatch):
    settings.MAILSETUP = {"CONTENT_INLINE": 10, "CONTENT_DIR": tmp_path, "ENGINE": "worker"}
    row = mails.mail(State.FAILED, mails.octets())
    files = len([each for each in tmp_path.rglob("*") if each.is_file()])
    monkeypatch.setattr(Message, "save", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        manage.resend(row)
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == files


@pytest.mark.parametrize("state", list(State))
def test_only_what_waits_is_sent_now(state, told, django_capture_on_commit_callbacks):
    later = timezone.now() + timedelta(hours=4)
    row = mails.mail(state, due_at=later)
    with django_capture_on_commit_callbacks(execute=True):
        done = manage.send_now(only(row))
    row.refresh_from_db()
    assert done == (state == State.QUEUED)
    assert (row.due_at < later) == bool(done)
    assert told == [row.pk] * done


@pytest.mark.parametrize("state", list(State))
def test_only_what_waits_is_canceled(state):
    row = mails.mail(state, mails.octets(), log=LogLevel.ENVELOPE)
    done = manage.cancel(only(row))
    row.refresh_from_db()
    assert done == (state == State.QUEUED)
    if done:
        assert row.state == State.CANCELED
        assert row.settled_at is not None
        assert not row.has_content
    else:
        assert row.state == state
        assert row.has_content


@pytest.mark.parametrize("log", [LogLevel.ENVELOPE, LogLevel.CONTENT])
def test_cancel_deletes_the_file_where_contents_are_not_kept(
    log, settings, tmp_path, django_capture_on_commit_callbacks
):
    settings.MAILSETUP = {"CONTENT_INLINE": 10, "CONTENT_DIR": tmp_path}
    row = mails.mail(State.QUEUED, mails.octets(), log=log)
    with django_capture_on_commit_callbacks(execute=True):
        assert manage.cancel(only(row)) == 1
    row.refresh_from_db()
    kept = log == LogLevel.CONTENT
    assert row.has_content == kept
    assert any(each.is_file() for each in tmp_path.rglob("*")) == kept


def test_cancel_touches_no_other_mail():
    before = mails.mail(State.CANCELED, mails.octets(), log=LogLevel.CONTENT)
    other = mails.mail(State.QUEUED, mails.octets())
    assert manage.cancel(only(mails.mail(State.QUEUED))) == 1
    for row in (before, other):
        state = row.state
        row.refresh_from_db()
        assert (row.state, row.has_content) == (state, True)


def test_dealt_with_ends_the_attention_and_nothing_else():
    row = mails.mail(State.FAILED, needs_attention=True)
    assert manage.deal_with(only(row)) == 1
    assert manage.deal_with(only(row)) == 0
    row.refresh_from_db()
    assert (row.state, row.needs_attention) == (State.FAILED, False)


def test_resume_lifts_what_keeps_a_profile_back(told, django_capture_on_commit_callbacks):
    ProfileState.objects.create(
        slug="shop", held_until=timezone.now() + timedelta(hours=1), held_reason="Quota."
    )
    waiting = mails.mail(State.QUEUED, due_at=timezone.now() - timedelta(minutes=1))
    mails.mail(State.QUEUED, profile="other", due_at=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert manage.resume("shop")
    assert ProfileState.objects.get(slug="shop").held_until is None
    assert told == [waiting.pk]
    assert not manage.resume("shop")
    assert not manage.resume("unknown")
