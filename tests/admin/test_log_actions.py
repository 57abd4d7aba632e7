"""What is done to mails from their page and from the list: it is done, told, and noted."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mailsetup.admin import log_actions
from mailsetup.models import Message, State
from tests import mails
from tests.admin.conftest import messages, text
from tests.admin.conftest import url as profile_url
from tests.admin.test_log_permissions import person, url
from tests.admin.test_trouble import hold, stop

RESUME = "Resume the profile to have it tried at once."


@pytest.fixture(autouse=True)
def _no_engine(settings):
    settings.MAILSETUP = {"ENGINE": "worker"}


def history(row):
    return [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=str(row.pk))]


def act(client, name, *rows, **data):
    data = {"action": name, "_selected_action": [row.pk for row in rows], "index": "0"} | data
    return client.post(url("changelist"), data, follow="confirmed" in data)


def test_resend_asks_first_and_then_sends(client, db):
    row = mails.mail(State.FAILED, mails.octets(), needs_attention=True)
    page = text(client.get(url("resend", row.pk)))
    assert "The same text is sent once more" in page
    assert "anna@example.org" in page
    assert Message.objects.count() == 1
    response = client.post(url("resend", row.pk), {"to": ""}, follow=True)
    new = Message.objects.get(resent_from=row.pk)
    assert response.redirect_chain == [(url("change", new.pk), 302)]
    assert messages(response) == [f"The mail will be sent again, as mail no. {new.pk}."]
    assert history(row) == [f"Sent again as mail no. {new.pk}."]
    assert "Sent again from" in text(response)
    assert "Sent again as" in text(client.get(url("change", row.pk)))


def test_button_pressed_twice_sends_once(client, db):
    row = mails.mail(State.FAILED, mails.octets())
    marks = {client.get(url("resend", row.pk)).context_data["mark"] for _each in range(2)}
    assert len(marks) == 2
    for _each in range(2):
        last = client.post(url("resend", row.pk), {"to": "", "_mark": min(marks)})
    assert "It was sent again a moment ago." in text(last)
    assert Message.objects.filter(resent_from=row.pk).count() == 1
    client.post(url("resend", row.pk), {"to": "", "_mark": max(marks)})
    assert Message.objects.filter(resent_from=row.pk).count() == 2
    assert len(history(row)) == 2


def test_question_about_many_answered_twice_sends_once(client, db):
    row = mails.mail(State.FAILED, mails.octets())
    mark = act(client, "resend_selected", row).context_data["mark"]
    for _each in range(2):
        act(client, "resend_selected", row, confirmed="yes", _mark=mark)
    assert Message.objects.filter(resent_from=row.pk).count() == 1


def test_resend_to_another_address_says_to_whom(client, db):
    row = mails.mail(State.SENT, mails.octets())
    client.post(url("resend", row.pk), {"to": "ben@example.org"})
    new = Message.objects.get(resent_from=row.pk)
    assert new.recipients == ["ben@example.org"]
    assert history(row) == [f"Sent again to ben@example.org as mail no. {new.pk}."]


def test_who_may_not_read_it_whole_sends_it_to_its_own_recipients_only(db):
    row = mails.mail(State.SENT, mails.octets())
    client = person("view", "resend")
    assert 'name="to"' not in client.get(url("resend", row.pk)).content.decode()
    client.post(url("resend", row.pk), {"to": "eve@example.org"})
    assert Message.objects.get(resent_from=row.pk).recipients == row.recipients
    assert (
        'name="to"'
        in person("view", "resend", "reveal").get(url("resend", row.pk)).content.decode()
    )


@pytest.mark.parametrize("to", ["nobody", "a@example.org, b@example.org", "a@\r\nb"])
def test_resend_to_what_is_no_address_asks_again(client, db, to):
    row = mails.mail(State.SENT, mails.octets())
    response = client.post(url("resend", row.pk), {"to": to})
    assert response.status_code == 200
    assert response.context_data["form"].errors
    assert Message.objects.count() == 1
    assert history(row) == []


def test_resend_of_content_that_no_key_opens_says_so(client, db):
    row = mails.mail(State.SENT, mails.octets(), content=b"x")
    Message.objects.filter(pk=row.pk).update(content=b"nothing that a key opens")
    page = text(client.post(url("resend", row.pk), {"to": ""}))
    assert "cannot be opened with the keys" in page
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "kept", "words"),
    [(State.SENT, False, "content is not kept"), (State.QUEUED, True, "still waiting")],
)
def test_resend_that_is_not_possible_says_why(client, db, state, kept, words):
    row = mails.mail(state, mails.octets() if kept else None)
    for response in (client.get(url("resend", row.pk)), client.post(url("resend", row.pk))):
        assert words in text(response)
    assert Message.objects.count() == 1


def test_unknown_fate_is_told_before_it_is_sent_again(client, db):
    row = mails.mail(State.AMBIGUOUS, mails.octets())
    assert "may then get it twice" in text(client.get(url("resend", row.pk)))


def test_cancel_asks_first_and_then_cancels(client, db):
    row = mails.mail(State.QUEUED)
    assert "This cannot be undone" in text(client.get(url("cancel", row.pk)))
    response = client.post(url("cancel", row.pk), follow=True)
    row.refresh_from_db()
    assert row.state == State.CANCELED
    assert messages(response) == ["The mail is canceled."]
    assert history(row) == ["Canceled."]


@pytest.mark.parametrize("name", ["cancel", "send_now", "dealt_with"])
def test_what_came_too_late_says_so_and_notes_nothing(client, db, name):
    row = mails.mail(State.SENT)
    response = client.post(url(name, row.pk), follow=True)
    assert messages(response) == ["Nothing was done: the mail is in another state by now."]
    assert history(row) == []


def test_send_now_makes_it_due(client, db):
    row = mails.mail(State.QUEUED, due_at=timezone.now() + timedelta(hours=3))
    client.post(url("send_now", row.pk))
    row.refresh_from_db()
    assert row.due_at <= timezone.now()
    assert history(row) == ["Sent now."]


@pytest.mark.parametrize(
    ("keep", "why"),
    [
        (stop, "its profile “shop” is stopped."),
        (hold, "its profile “shop” waits for another 2\N{NO-BREAK SPACE}hours."),
        (lambda: hold(hours=0), "its profile “shop” waits for less than a minute more."),
    ],
)
def test_send_now_of_a_mail_whose_profile_is_kept_back_says_so(client, profile, keep, why):
    keep()
    row = mails.mail(State.QUEUED, due_at=timezone.now() + timedelta(hours=3))
    response = client.post(url("send_now", row.pk), follow=True)
    assert messages(response) == [
        f"1 mail is not sent yet: {why} {RESUME}",
    ]
    assert "Resume the profile" in text(response)
    assert profile_url("resume") in response.content.decode()
    assert history(row) == ["To be sent as soon as its profile goes on."]
    row.refresh_from_db()
    assert row.due_at <= timezone.now()


def test_who_may_not_resume_is_not_told_to(profile):
    stop()
    row = mails.mail(State.QUEUED)
    response = person("view", "resend").post(url("send_now", row.pk), follow=True)
    assert messages(response)[0].endswith("Who may change profiles can resume it.")
    assert profile_url("resume") not in response.content.decode()


def test_many_sent_now_are_next_unless_their_profile_is_kept_back(client, profile):
    stop()
    behind = [mails.mail(State.QUEUED) for _each in range(2)]
    free = mails.mail(State.QUEUED, profile="other")
    response = act(client, "send_now_selected", *behind, free, confirmed="")
    assert messages(response) == [
        f"2 mails are not sent yet: their profile “shop” is stopped. {RESUME}",
        "1 mail is next.",
    ]
    assert f'action="{profile_url("resume")}"' in response.content.decode()
    assert history(free) == ["Sent now."]
    assert {*history(behind[0]), *history(behind[1])} == {
        "To be sent as soon as its profile goes on."
    }


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("send_now_selected", "None of these mails waits, so none can be sent now."),
        ("cancel_selected", "None of these mails waits, so none can be canceled."),
        ("deal_with_selected", "None of these mails needs attention. Only those that do"),
    ],
)
def test_action_that_fits_none_of_the_mails_says_why(client, db, action, why):
    row = mails.mail(State.SENT)
    response = act(client, action, row, confirmed="")
    (message,) = messages(response)
    assert message.startswith(why)
    assert history(row) == []


def test_dealt_with_ends_the_attention(client, db):
    row = mails.mail(State.FAILED, needs_attention=True)
    client.post(url("dealt_with", row.pk))
    row.refresh_from_db()
    assert not row.needs_attention
    assert history(row) == ["Marked as dealt with."]


def test_many_are_sent_again_after_a_question(client, db):
    able = [mails.mail(State.FAILED, mails.octets(), subject=f"Mail {n}") for n in range(3)]
    rest = [mails.mail(State.SENT), mails.mail(State.QUEUED, mails.octets())]
    page = act(client, "resend_selected", *able, *rest)
    assert "3 mails will be sent once more" in text(page)
    assert Message.objects.count() == 5
    response = act(client, "resend_selected", *able, *rest, confirmed="yes")
    assert messages(response) == ["3 mails will be sent again."]
    assert Message.objects.filter(resent_from__isnull=False).count() == 3
    assert [history(row) for row in (*able, *rest)] == [["Sent again."]] * 3 + [[], []]


def test_question_marks_the_mails_that_it_leaves_out(client, db):
    able = mails.mail(State.FAILED, mails.octets(), subject="Able")
    gone = mails.mail(State.SENT, subject="Gone")
    waits = mails.mail(State.QUEUED, mails.octets(), subject="Waits")
    page = text(act(client, "resend_selected", able, gone, waits))
    assert "1 mail will be sent once more" in page
    assert "The others that you chose are left out" in page
    assert page.count("Left out:") == 2
    assert "Gone anna@example.org Left out: Its content is not kept" in page
    assert "Waits anna@example.org Left out: It is still waiting" in page
    page = text(act(client, "cancel_selected", able, waits))
    assert "Able anna@example.org Left out: It does not wait any more." in page
    assert page.count("Left out:") == 1


@pytest.mark.parametrize("action", ["resend_selected", "cancel_selected"])
def test_question_that_leaves_none_out_says_nothing_of_it(client, db, action):
    state = State.FAILED if action == "resend_selected" else State.QUEUED
    rows = [mails.mail(state, mails.octets()) for _each in range(12)]
    assert "left out" not in text(act(client, action, *rows)).lower()


def test_one_of_many_that_cannot_be_read_stops_no_other(client, db):
    broken, row = (mails.mail(State.FAILED, mails.octets()) for _each in range(2))
    Message.objects.filter(pk=broken.pk).update(content=b"x")
    response = act(client, "resend_selected", broken, row, confirmed="yes")
    told = messages(response)
    assert told[0].startswith(f"Mail no. {broken.pk}: The content of this mail cannot be opened")
    assert told[1] == "1 mail will be sent again."
    assert history(broken) == []


def test_too_many_at_once_are_not_sent_again(client, db, monkeypatch):
    monkeypatch.setattr(log_actions, "MOST_AT_ONCE", 2)
    rows = [mails.mail(State.FAILED, mails.octets()) for _each in range(3)]
    act(client, "resend_selected", *rows, confirmed="yes")
    assert Message.objects.count() == 3


def test_none_that_can_be_sent_again_is_told(client, db):
    response = act(client, "resend_selected", mails.mail(State.SENT), confirmed="yes")
    assert "their content is not kept" in messages(response)[0]


def test_many_are_canceled_after_a_question(client, db):
    rows = [mails.mail(State.QUEUED) for _each in range(2)]
    sent = mails.mail(State.SENT)
    assert "2 waiting mails will not be sent" in text(act(client, "cancel_selected", *rows, sent))
    response = act(client, "cancel_selected", *rows, sent, confirmed="yes")
    assert messages(response) == ["2 mails are canceled."]
    assert Message.objects.filter(state=State.CANCELED).count() == 2
    assert [history(row) for row in (*rows, sent)] == [["Canceled."], ["Canceled."], []]


def test_very_many_are_noted_once(client, db, monkeypatch):
    monkeypatch.setattr(log_actions, "MOST_AT_ONCE", 2)
    rows = [mails.mail(State.FAILED, needs_attention=True) for _each in range(3)]
    act(client, "deal_with_selected", *rows)
    assert not Message.objects.filter(needs_attention=True).exists()
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (None, "Marked as dealt with. (3)")


def test_many_are_sent_now(client, db):
    later = timezone.now() + timedelta(hours=3)
    rows = [mails.mail(State.QUEUED, due_at=later) for _each in range(2)]
    act(client, "send_now_selected", *rows, mails.mail(State.SENT))
    assert Message.objects.filter(due_at__gt=timezone.now()).count() == 0
    assert [history(row) for row in rows] == [["Sent now."]] * 2


def test_all_across_the_pages_are_taken_with_the_filters(client, db):
    for _each in range(60):
        mails.mail(State.FAILED, needs_attention=True)
    other = mails.mail(State.AMBIGUOUS, needs_attention=True)
    data = {"action": "deal_with_selected", "_selected_action": [1], "select_across": "1"}
    client.post(url("changelist") + "?state=failed", data)
    assert list(Message.objects.filter(needs_attention=True)) == [other]


def test_question_keeps_the_filters_and_all_across(client, db):
    mails.mail(State.QUEUED)
    data = {"action": "cancel_selected", "_selected_action": [1], "select_across": "1"}
    page = client.post(url("changelist") + "?state=queued", data).content.decode()
    assert 'name="select_across" value="1"' in page
    assert 'href="/admin/mailsetup/message/?state=queued"' in page
