"""The page of one mail: what it tells, what it hides, and what is noted."""

import json
from datetime import timedelta
from email.policy import EmailPolicy

import django
import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailsetup.admin import log_content, trouble
from mailsetup.admin.log_message import REVEALED
from mailsetup.delivery import content
from mailsetup.models import Message, ProfileState, SMTPProfile, State
from mailsetup.redaction import redact
from tests import mails
from tests.admin.conftest import messages, text
from tests.admin.test_log_permissions import person, url
from tests.admin.test_trouble import hold, stop
from tests.mails import LINK, TOKEN


def history(row):
    return [
        entry.get_change_message()
        for entry in LogEntry.objects.filter(object_id=str(row.pk)).order_by("pk")
    ]


def test_page_tells_the_facts_and_each_attempt(client, row):
    answer = client.get(url("change", row.pk))
    page = text(answer)
    # A long name is broken at its dots.
    assert "shop.<wbr>views.<wbr>OrderView" in answer.content.decode()
    for words in ("Password reset on Example Shop", "anna@example.org"):
        assert words in page
    assert row.message_id.strip("<>") in page
    for words in ("Attempt 1", "451 4.7.1 Please come back later", "to be tried again"):
        assert words in page
    for words in ("Attempt 2", "550 No such user here (5.1.1)", "2.5 s", "mail.example.com:587"):
        assert words in page
    assert "550 5.1.1 No such user here" in page
    assert "Accepted for ben@example.org" in page
    assert "How far it got: Recipient" in page
    assert page.index("Attempt 2") < page.index("Attempt 1")


def test_kept_back_profile_is_told_once_and_what_the_mail_waits_for(client, profile):
    other = SMTPProfile.objects.create(slug="other", host="x.example", login="none")
    stop()
    hold(other.slug)
    page = text(client.get(url("change", mails.mail(State.QUEUED).pk)))
    assert page.count("The profile “shop” is stopped") == 1
    # Of another profile the line above the page tells.
    assert page.count("The mail of the profile “other” waits for another") == 1
    assert "It waits until its profile goes on." in page
    for wrong in ("due now", "It waits for its next attempt."):
        assert wrong not in page


def test_from_that_the_app_gave_is_told_where_another_one_was_sent(client, db):
    row = mails.mail(from_email="Shop <shop@example.com>", recipe={"from": "webmaster@localhost"})
    page = text(client.get(url("change", row.pk)))
    assert "Shop &lt;shop@example.com&gt; (asked for by the app as webmaster@localhost )" in page


def test_headers_are_those_that_went_out(client, db):
    sent, message_id = "Cửa hàng <shop@example.com>", f"<{TOKEN}@shop.example.com>"
    row = mails.mail(
        from_email=sent,
        message_id=message_id,
        recipe={"from": "webmaster@localhost"},
        kept=mails.octets(message_id=message_id).replace(
            b"From: ", b"From: webmaster@localhost\r\nX-Was: ", 1
        ),
    )
    shown = dict(log_content.Content(row).show(whole=False).headers)
    assert shown["From"] == sent
    assert shown["Message-ID"] == message_id != redact(message_id)
    page = text(client.get(url("change", row.pk)))
    assert "From webmaster@localhost" not in page
    file = client.post(url("eml", row.pk)).content
    assert b"webmaster@localhost" not in file
    assert file.count(b"\r\nFrom: ") + file.startswith(b"From: ") == 1


@pytest.mark.parametrize("kept", ["x" * 400, "no address"])
def test_from_that_is_no_address_any_more_leaves_the_headers_alone(db, kept):
    row = mails.mail(from_email=kept, recipe={"from": "a@b.example"}, kept=mails.octets())
    assert log_content.Content(row).show(whole=True).problem == ""


def test_only_a_mail_that_waits_keeps_its_content_until_it_is_sent(client, db):
    for background, words in ((True, "the content until it is sent"), (False, "nothing of")):
        row = mails.mail(background=background, log="envelope")
        page = text(client.get(url("change", row.pk)))
        assert f"The log keeps {words}" in page


def test_history_is_one_press_away(client, row):
    page = client.get(url("change", row.pk)).content.decode()
    assert page.count(f'href="{url("history", row.pk)}"') == 1


@pytest.mark.parametrize("recipe", [{}, [], None, {"from": "shop@example.com"}])
def test_from_is_told_once_where_it_is_the_same_or_not_known(client, db, recipe):
    row = mails.mail(from_email="shop@example.com", recipe=[] if recipe is None else recipe)
    assert "asked for by the app" not in text(client.get(url("change", row.pk)))


def test_number_of_queries_is_the_same_with_many_attempts(client, row):
    def count():
        trouble.forget()
        with CaptureQueriesContext(connection) as captured:
            client.get(url("change", row.pk))
        return len(captured)

    # The first page of a process reads the profiles.
    count()
    few = count()
    for _each in range(40):
        mails.attempt(row)
        mails.mail(resent_from=row.pk)
    assert count() == few
    assert few <= 14


def test_codes_and_links_are_hidden_from_who_reads(client, row):
    for response in (client.get(url("change", row.pk)), client.get(url("preview", row.pk))):
        shown = response.content.decode()
        assert TOKEN not in shown
        assert "Your new password" in shown
    assert "shop.example.com" in text(client.get(url("change", row.pk)))


def test_all_of_it_is_shown_after_a_post_that_is_noted(client, row):
    response = client.post(url("reveal", row.pk), follow=True)
    assert response.redirect_chain[0][0].startswith(url("change", row.pk))
    assert LINK in response.content.decode()
    assert LINK in client.get(url("preview", row.pk)).content.decode()
    assert history(row) == ["Looked at the whole mail, links and codes included."]
    assert TOKEN not in str(history(row))
    assert TOKEN not in json.dumps(dict(client.session))


def test_all_of_it_is_shown_of_that_mail_alone_and_for_minutes(client, row):
    other = mails.mail(kept=mails.octets())
    client.post(url("reveal", row.pk))
    assert TOKEN not in client.get(url("change", other.pk)).content.decode()
    session = client.session
    left = session[REVEALED][str(row.pk)] - timezone.now().timestamp()
    assert 500 < left <= 600
    session[REVEALED] = {str(row.pk): timezone.now().timestamp() - 1}
    session.save()
    assert TOKEN not in client.get(url("preview", row.pk)).content.decode()


def test_right_lost_meanwhile_hides_it_again(row):
    from django.contrib.auth.models import Permission, User

    client = person("view", "preview", "reveal")
    client.post(url("reveal", row.pk))
    assert TOKEN in client.get(url("preview", row.pk)).content.decode()
    User.objects.get().user_permissions.remove(Permission.objects.get(codename="reveal_message"))
    assert TOKEN not in client.get(url("preview", row.pk)).content.decode()


def test_who_may_only_view_reads_nothing_of_the_text(row):
    page = person("view").get(url("change", row.pk))
    assert "You may not read the text of mails" in text(page)
    for words in ("Your new password", "invoice.pdf", "<iframe", TOKEN):
        assert words not in page.content.decode()


@pytest.mark.parametrize("held", ["", "preview", "reveal", "resend", "export", "change"])
def test_page_offers_what_the_user_may(row, held):
    page = person("view", held).get(url("change", row.pk)).content.decode()
    offers = {
        "resend": url("resend", row.pk) in page,
        "change": url("dealt_with", row.pk) in page,
        "export reveal": url("eml", row.pk) in page,
    }
    assert [name for name, offered in offers.items() if offered] == (
        [held] if held in offers else []
    )


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("name", ["change", "preview"])
def test_report_of_a_failure_holds_nothing_of_the_text(
    administrator, row, settings, monkeypatch, mailoutbox, name, debug
):
    def fail(*args, **kwargs):
        raise RuntimeError("a fault of ours")

    settings.DEBUG = debug
    settings.ADMINS = ["ann@example.com" if django.VERSION >= (6, 0) else ("", "ann@example.com")]
    module = "log_message.frame_page" if name == "preview" else "log_attempts.shown"
    monkeypatch.setattr(f"mailsetup.admin.{module}", fail)
    client = Client(raise_request_exception=False)
    client.force_login(administrator)
    client.post(url("reveal", row.pk))
    response = client.get(url(name, row.pk))
    assert response.status_code == 500
    reports = [response.content.decode(), *(str(mail.message()) for mail in mailoutbox)]
    assert any("a fault of ours" in report for report in reports)
    assert not any(TOKEN in report or "Your new password" in report for report in reports)


def test_frame_can_do_nothing(client, row):
    response = client.get(url("preview", row.pk))
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in policy
    assert policy.endswith("frame-ancestors 'self'; sandbox")
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response.headers["Cache-Control"]
    page = client.get(url("change", row.pk)).content.decode()
    assert f'<iframe class="mailsetup-frame" sandbox="" src="{url("preview", row.pk)}"' in page


@pytest.mark.parametrize(
    "source",
    [
        '<link rel="preconnect" href="https://evil.example">',
        "<LINK rel=dns-prefetch href=//evil.example>",
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        '<base href="https://evil.example/">',
        "<link\n/rel=preconnect href=//evil.example>",
        "<li<link>nk rel=preconnect href=//evil.example>",
    ],
)
def test_elements_that_could_reach_out_are_made_inert(source):
    page = log_content.frame_page(source)
    head, _body, shown = page.partition("<body>")
    assert "Content-Security-Policy" in head
    for name in ("link", "meta", "base"):
        assert f"<{name} " not in shown.lower().replace("\n", " ").replace("/", " ")


def test_attachment_is_saved_never_shown_and_noted(client, db):
    files = [
        ("in voice.pdf", "application/pdf", b"%PDF-1"),
        ("../../.page.html", "text/html", b"<script>alert(1)</script>"),
        ("logo.svg", "image/svg+xml", b"<svg onload=alert(1)>"),
        ('a"b;c.txt', "text/plain", b"text"),
    ]
    row = mails.mail(kept=mails.octets(files=files))
    kinds = []
    for number, (_name, _kind, octets) in enumerate(files, 1):
        response = client.post(url("attachment", row.pk), {"part": str(number)})
        assert response.content == octets
        disposition = response.headers["Content-Disposition"]
        assert disposition.startswith("attachment; filename")
        assert "/" not in disposition.replace("utf-8''", "")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        kinds.append(response.headers["Content-Type"])
    assert kinds == ["application/pdf", *["application/octet-stream"] * 2, "text/plain"]
    assert len(history(row)) == 4


@pytest.mark.parametrize("number", ["", "0", "2", "99", "x", "²", "-1"])
def test_attachment_that_is_not_there_is_not_found(client, row, number):
    assert client.post(url("attachment", row.pk), {"part": number}).status_code == 404
    assert history(row) == []


def test_mail_as_a_file_is_what_is_kept_and_is_noted(client, row):
    response = client.post(url("eml", row.pk))
    assert response.content == content.read(row)
    assert response.headers["Content-Type"] == "message/rfc822"
    assert response.headers["Content-Disposition"] == f'attachment; filename="mail-{row.pk}.eml"'
    assert history(row) == ["Downloaded as a file."]


@pytest.mark.parametrize("name", ["eml", "attachment"])
def test_content_that_cannot_be_opened_is_told(client, row, name):
    Message.objects.filter(pk=row.pk).update(content=b"nothing that a key opens")
    response = client.post(url(name, row.pk), {"part": "1"}, follow=True)
    assert any("cannot be opened with the keys" in each for each in messages(response))
    assert "cannot be opened with the keys" in text(client.get(url("change", row.pk)))
    assert client.get(url("preview", row.pk)).status_code == 200
    assert history(row) == []


def test_content_that_is_gone_is_told(client, db):
    row = mails.mail()
    page = text(client.get(url("change", row.pk)))
    assert "The content is not kept, so it can be neither shown nor sent again." in page
    assert "It cannot be sent again: Its content is not kept" in page


BROKEN = [
    b"",
    b"\r\n\r\n",
    b"\xff\xfe\x00garbage",
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--y\r\n",
    b"Content-Type: text/html; charset=no-such\r\n\r\n<p>h\xc3\xa9</p>",
    b"Content-Type: multipart/alternative\r\n\r\nno boundary",
    b"Subject: =?utf-8?b?////?=\r\nTo: <<<>>>,,;\r\nDate: x\r\n\r\n\xc3",
    b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\ntext",
    b'Content-Type: a; b="c\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!',
    b"From: a\r\n" * 500 + b"\r\n",
]


@pytest.mark.parametrize("octets", BROKEN)
def test_nonsense_is_shown_without_an_error(client, db, octets):
    row = mails.mail(kept=octets)
    assert client.get(url("change", row.pk)).status_code == 200
    assert client.get(url("preview", row.pk)).status_code == 200
    assert client.post(url("attachment", row.pk), {"part": "1"}).status_code in {200, 404}


def test_content_that_the_parser_stumbles_over_is_told(client, row, monkeypatch):
    def stumble(*args):
        raise IndexError("as a parser does on a stranger's header")

    monkeypatch.setattr(EmailPolicy, "header_fetch_parse", stumble)
    assert "This mail cannot be taken apart" in text(client.get(url("change", row.pk)))
    assert client.get(url("preview", row.pk)).status_code == 200
    assert client.post(url("attachment", row.pk), {"part": "1"}).status_code == 404


def test_very_many_parts_are_cut_off(client, db, monkeypatch):
    monkeypatch.setattr(log_content, "MOST_PARTS", 2)
    files = [(f"file{number}.txt", "text/plain", b"x") for number in range(5)]
    row = mails.mail(kept=mails.octets(files=files))
    page = text(client.get(url("change", row.pk)))
    assert "file1.txt" in page
    assert "file2.txt" not in page


@pytest.mark.parametrize("values", [{"recipients": None}, {"recipients": {"a": 1}}])
def test_row_edited_into_nonsense_is_shown_without_an_error(client, db, values):
    row = mails.mail(State.SET_ASIDE, recipe={})
    mails.attempt(row, stage="nowhere", outcome="odd", refused=["x", {}, {"address": 1}])
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute(f"UPDATE mailsetup_message SET {name} = %s", [json.dumps(value)])
    assert client.get(url("change", row.pk)).status_code == 200
    assert client.get(url("changelist")).status_code == 200
    assert client.get(url("resend", row.pk)).status_code == 200


def test_mail_that_is_not_there_is_told(client, db):
    response = client.get(url("change", 4711), follow=True)
    assert "Perhaps it was deleted?" in text(response)
    for name in ("preview", "resend", "cancel"):
        assert client.get(url(name, 4711)).status_code == 404


def test_page_of_a_waiting_mail_tells_why_its_profile_waits(client, profile):
    until = timezone.now() + timedelta(hours=2)
    ProfileState.objects.create(slug="shop", held_until=until, held_reason="The quota is used up.")
    row = mails.mail(State.QUEUED)
    page = client.get(url("change", row.pk))
    assert "The quota is used up." in text(page)
    assert "/resume/" in page.content.decode()
    assert "/resume/" not in person("view").get(url("change", row.pk)).content.decode()


def test_mail_that_some_recipients_got_says_so(client, db):
    row = mails.mail(reason="mail.example.com refused the recipient ben@example.org: 550 No")
    page = text(client.get(url("change", row.pk)))
    assert "accepted it for some of its recipients and refused the others" in page
    assert "refused the others" not in text(client.get(url("change", mails.mail().pk)))


def test_cancelling_names_those_alone_who_have_not_got_it(client, db):
    both = ["anna@example.org", "ben@example.org"]
    row = mails.mail(State.QUEUED, recipients=both, remaining=both[1:], delivered=True)
    page = text(client.get(url("cancel", row.pk)))
    assert "Some recipients have got it already." in page
    assert "ben@example.org" in page
    assert "anna@example.org" not in page
    page = text(client.get(url("cancel", mails.mail(State.QUEUED, recipients=both).pk)))
    assert "It will not be sent." in page
    assert "anna@example.org, ben@example.org" in page
