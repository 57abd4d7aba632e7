"""Every mail sent at once is written down, with what became of it."""

from __future__ import annotations

import smtplib

import pytest
from django.core.mail import EmailMessage, send_mail
from django.db import OperationalError, connection, transaction
from django.utils.translation import override

from mailsetup import effective
from mailsetup.backends import EmailBackend
from mailsetup.delivery import content, reporting
from mailsetup.delivery.compose import composed
from mailsetup.delivery.log.caller import Caller
from mailsetup.delivery.log.entries import Request, entry, insert
from mailsetup.exceptions import ConfigurationError, ContentUnavailableError
from mailsetup.models import Attempt, Message, SMTPProfile
from mailsetup.smtp.errors import ContentRefusedError, Stage
from mailsetup.smtp.session import Session
from tests.backend_servers import PASSWORD, store
from tests.delivery.profiles import in_force, mail

pytestmark = pytest.mark.django_db(transaction=True)


def profile(**values):
    """Edit the stored profile; its password is entered again."""
    row = SMTPProfile.objects.get()
    for name, value in values.items():
        setattr(row, name, value)
    row.set_password(PASSWORD)
    row.save()


def test_sent_mail_is_written_down_with_its_attempt(stored, server, ours, log):
    message = EmailMessage(
        "Order 10023",
        "Text",
        "Ann <ann@example.com>",
        to=["Bob <bob@example.com>"],
        bcc=["eve@example.com"],
    )
    message.send()
    (row,) = log()
    assert (row.state, row.background, row.profile, row.requested) == ("sent", False, "shop", "")
    assert row.subject == "Order 10023"
    assert row.from_email == "Ann <ann@example.com>"
    assert row.recipients == ["bob@example.com", "eve@example.com"]
    assert row.message_id == server.mails[0].parsed["Message-ID"]
    # The last end of line is there before on Django 6.0 only.
    assert row.size in {len(server.mails[0].content), len(server.mails[0].content) - 2}
    words = ["bob@example.com", "eve@example.com", "ann <ann@example.com>", "order 10023"]
    assert row.search == "\n".join([*words, row.message_id.lower()])
    assert row.app == "tests"
    assert row.caller == f"{__name__}.test_sent_mail_is_written_down_with_its_attempt"
    assert (row.log, row.delivered, row.needs_attention) == ("envelope", True, False)
    assert not row.has_content
    (attempt,) = row.attempts.all()
    assert (attempt.number, attempt.profile, attempt.outcome) == (1, "shop", "sent")
    assert (attempt.stage, attempt.code, attempt.enhanced_code) == ("accepted", 250, "2.0.0")
    assert attempt.server == f"{server.host}:{server.port}"
    assert attempt.accepted == ["bob@example.com", "eve@example.com"]
    assert attempt.seconds > 0
    assert row.created_at <= attempt.started_at <= row.settled_at


def test_links_and_codes_of_the_subject_are_not_stored(stored, ours, log):
    send_mail("Your code is 482913", "Text", None, ["bob@example.com"])
    (row,) = log()
    assert "482913" not in row.subject + row.search


def test_each_of_many_is_written_down(stored, ours, log, server):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    EmailBackend(fail_silently=True).send_messages(
        [mail(subject=str(number), to=[to]) for number, to in enumerate(["a@example.com"] * 3)]
        + [mail(to=["gone@example.com"])]
    )
    assert [row.state for row in log()] == ["sent", "sent", "sent", "failed"]


def test_refused_recipient_stands_by_itself(stored, ours, log, server):
    server.refused = {"gone@example.com": "550 5.1.1 No such user"}
    send_mail("Hi", "Text", None, ["bob@example.com", "gone@example.com"])
    (row,) = log()
    assert row.state == "sent"
    assert "No such user" in row.reason
    (attempt,) = row.attempts.all()
    assert attempt.accepted == ["bob@example.com"]
    (refused,) = attempt.refused
    assert refused["address"] == "gone@example.com"
    assert (refused["code"], refused["enhanced_code"]) == (550, "5.1.1")


def test_refused_content_has_failed_and_wants_attention(stored, ours, log, server):
    server.refuse_content = "554 5.7.1 Spam"
    with pytest.raises(smtplib.SMTPDataError):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    (row,) = log()
    assert (row.state, row.needs_attention, row.delivered) == ("failed", True, False)
    assert "Spam" in row.reason
    (attempt,) = row.attempts.all()
    assert (attempt.stage, attempt.outcome, attempt.code) == ("content", "failed_message", 554)
    assert "Spam" in attempt.reply


def test_break_after_the_content_is_ambiguous(stored, ours, log, server):
    server.cut = True
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    (row,) = log()
    assert (row.state, row.needs_attention) == ("ambiguous", True)
    assert row.attempts.get().outcome == "ambiguous"


def test_server_out_of_reach_is_an_attempt_of_every_mail(stored, ours, log):
    profile(port=1)
    with pytest.raises(ConnectionRefusedError):
        EmailBackend().send_messages([mail(subject="one"), mail(subject="two")])
    rows = log()
    assert [(row.subject, row.state) for row in rows] == [("one", "failed"), ("two", "failed")]
    attempt = rows[0].attempts.get()
    assert (attempt.stage, attempt.outcome) == ("connect", "retry")
    assert attempt.server.endswith(":1")
    assert attempt.seconds > 0
    assert rows[0].created_at < rows[0].settled_at
    assert rows[0].recipients == ["bob@example.com"]
    assert rows[0].size > 0
    assert rows[0].message_id.startswith("<")
    assert not rows[0].has_content


def test_failure_that_its_sender_does_not_want_to_hear_of_is_written_down(stored, ours, log):
    profile(port=1)
    assert EmailBackend(fail_silently=True).send_messages([mail()]) == 0
    assert [row.state for row in log()] == ["failed"]


def test_connection_opened_in_vain_before_is_no_failure_of_this_mail(stored, ours, log):
    backend = EmailBackend(fail_silently=True)
    profile(port=1)
    assert backend.open() is None
    profile(port=stored.port)
    assert backend.send_messages([mail()]) == 1
    assert [row.state for row in log()] == ["sent"]


def test_refused_login_is_an_attempt(stored, ours, log, server):
    server.refuse_login = True
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    attempt = log()[0].attempts.get()
    assert (attempt.stage, attempt.outcome, attempt.code) == ("login", "stop_profile", 535)


def test_invalid_address_has_failed_before_any_server_was_asked(stored, ours, log):
    with pytest.raises(ValueError, match="Invalid address"):
        send_mail("Hi", "Text", None, ["nobody <"])
    (row,) = log()
    assert (row.state, row.recipients, row.message_id) == ("failed", ["nobody <"], "")
    assert "Invalid address" in row.reason
    attempt = row.attempts.get()
    assert (attempt.stage, attempt.outcome, attempt.error) == ("", "", row.reason)


def test_unknown_profile_is_written_down(stored, ours, log):
    with pytest.raises(ConfigurationError):
        EmailBackend(profile="nowhere").send_messages([mail(headers={"message-id": "<1@x>"})])
    (row,) = log()
    assert (row.state, row.profile, row.requested) == ("failed", "nowhere", "nowhere")
    assert row.message_id == "<1@x>"
    assert "nowhere" in row.reason


def test_reason_is_stored_in_english_whatever_the_visitors_language(stored, ours, log):
    with override("vi"), pytest.raises(ConfigurationError, match="Không có hồ sơ SMTP nào tên"):
        EmailBackend(profile="nowhere").send_messages([mail()])
    (row,) = log()
    assert row.reason.startswith("There is no SMTP profile named “nowhere”.")


def test_profile_switched_off_is_written_down(stored, ours, log):
    profile(active=False)
    with pytest.raises(ConfigurationError):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    assert [row.state for row in log()] == ["failed"]


def test_mail_that_was_not_to_be_sent_has_no_attempt(stored, ours, log):
    profile(do_not_send=True)
    send_mail("Hi", "Text", None, ["bob@example.com"])
    (row,) = log()
    assert (row.state, row.attempts_made, row.needs_attention) == ("dropped", 0, False)
    assert row.attempts.count() == 0


@pytest.mark.parametrize("port", [None, 1])
def test_nothing_is_written_where_the_log_is_off(stored, ours, log, port):
    profile(log="off", **({"port": port} if port else {}))
    EmailBackend(fail_silently=True).send_messages([mail()])
    assert log() == []


def test_content_is_kept_sealed_as_the_app_wrote_it(stored, ours, log, server):
    profile(log="content", force_from_email=True, from_name="Shop", force_from_name=True)
    send_mail("Hi", "A secret text", "Ann <ann@example.com>", ["bob@example.com"])
    (row,) = log()
    assert "Shop" in server.mails[0].parsed["From"]
    assert server.mails[0].parsed["Reply-To"] == "Ann <ann@example.com>"
    kept = content.read(row)
    assert b"From: Ann <ann@example.com>" in kept.replace(b'"', b"").split(b"\r\n")
    assert b"Reply-To" not in kept
    assert kept.rstrip().endswith(b"\r\n\r\nA secret text")
    assert b"A secret text" not in bytes(row.content)


def test_kept_content_can_be_sent_again_as_it_was(stored, ours, log, server):
    profile(log="content", force_from_email=True)
    EmailBackend().send_messages([mail(from_email="Ann <ann@example.com>")])
    again = content.thaw(log()[0], effective.resolve())
    sent = server.mails[0].content.replace(b'"', b"").split(b"\r\n")
    assert {*again.content.replace(b'"', b"").split(b"\r\n")} == {*sent}
    assert (again.sender, list(again.recipients)) == ("shop@example.com", ["bob@example.com"])


def test_content_of_what_reached_no_server_is_kept(stored, ours, log):
    profile(log="content", port=1)
    EmailBackend(fail_silently=True).send_messages([mail(body="Find me")])
    (row,) = log()
    assert b"Find me" in content.read(row)


def test_large_content_stands_in_a_file(stored, ours, log, settings, tmp_path):
    settings.MAILSETUP = {"CONTENT_INLINE": 10, "CONTENT_DIR": tmp_path}
    profile(log="content")
    EmailBackend().send_messages([mail(body="Find me")])
    (row,) = log()
    assert row.content is None
    assert (tmp_path / row.content_file).is_file()
    assert b"Find me" in content.read(row)


def test_file_of_a_row_that_cannot_be_written_is_deleted(stored, settings, tmp_path, monkeypatch):
    settings.MAILSETUP = {"CONTENT_INLINE": 10, "CONTENT_DIR": tmp_path}
    files = []

    def down(*args, **kwargs):
        files.extend(path for path in tmp_path.rglob("*") if path.is_file())
        raise OperationalError

    monkeypatch.setattr(Message, "save", down)
    account = in_force(log="content")
    message = mail()
    one = entry(message, Request(Caller()), account, composed(message, account))
    with pytest.raises(OperationalError):
        insert([one])
    assert len(files) == 1
    assert not files[0].exists()


def test_envelope_keeps_no_content(stored, ours, log):
    send_mail("Hi", "Text", None, ["bob@example.com"])
    with pytest.raises(ContentUnavailableError):
        content.read(log()[0])


def test_mail_of_a_transaction_rolled_back_is_in_the_log(stored, ours, log):
    with transaction.atomic():
        send_mail("Hi", "Text", None, ["bob@example.com"])
        transaction.set_rollback(True)
    assert [row.state for row in log()] == ["sent"]


def test_caller_pays_no_query(stored, ours, django_assert_num_queries):
    effective.resolve()
    with django_assert_num_queries(0):
        send_mail("Hi", "Text", None, ["bob@example.com"])


def test_mail_that_reports_a_failure_wants_no_attention(stored, ours, log):
    profile(port=1)
    with reporting.quietly(), pytest.raises(ConnectionRefusedError):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    (row,) = log()
    assert (row.state, row.reports_failure, row.needs_attention) == ("failed", True, False)


def test_account_of_the_settings_is_written_down_too(transactional_db, server, settings, log):
    account = {"host": server.host, "port": server.port, "use_tls": True, "timeout": 5}
    with pytest.raises(smtplib.SMTPException):
        EmailBackend(**account).send_messages([mail()])
    assert [(row.state, row.profile) for row in log()] == [("failed", "")]


def test_end_of_the_process_in_the_midst_leaves_it_ambiguous(stored, ours, log, monkeypatch):
    def ended(*args, **kwargs):
        raise SystemExit

    monkeypatch.setattr(Session, "deliver", ended)
    with pytest.raises(SystemExit):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    (row,) = log()
    assert (row.state, row.attempts.get().outcome) == ("ambiguous", "ambiguous")
    assert "SystemExit" in row.reason


@pytest.mark.parametrize(
    "error",
    [
        ContentRefusedError("Refused.", stage=Stage.CONTENT, code=554, reply="Spam"),
        ValueError("Invalid"),
        ValueError(),
    ],
)
def test_error_that_waits_holds_no_mail(error):
    with pytest.raises(type(error)) as raised:
        raise error
    one = entry(mail(), Request(Caller()), in_force(), error=raised.value)
    assert raised.value.__traceback__ is not None
    assert one.error.__traceback__ is None
    assert str(one.error) == (str(error) or "ValueError")
    assert getattr(one.error, "reply", "") == getattr(error, "reply", "")


def test_texts_that_databases_refuse_are_mended(stored, ours, log):
    with pytest.raises(ConfigurationError):
        EmailBackend(profile="nowhere").send_messages(
            [mail(subject="a\0b\ud800c", from_email="d\0@example.com", to=["e\0@example.com"])]
        )
    (row,) = log()
    assert (row.subject, row.from_email, row.recipients) == (
        "ab?c",
        "d@example.com",
        ["e@example.com"],
    )


def test_rows_are_written_where_no_keys_of_many_come_back(stored, ours, log, monkeypatch):
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    EmailBackend().send_messages([mail(), mail()])
    assert [row.attempts.count() for row in log()] == [1, 1]


def test_more_rows_than_one_statement_takes_are_written_in_order(stored):
    account = in_force(host="smtp.example.com", log="envelope")
    request = Request(caller=Caller())
    insert(
        [entry(mail(subject=str(n)), request, account, error=OSError(str(n))) for n in range(70)]
    )
    rows = Message.objects.order_by("pk")
    assert [row.subject for row in rows] == [str(n) for n in range(70)]
    found = Attempt.objects.order_by("pk").values_list("message__subject", "error")
    assert [one == two for one, two in found] == [True] * 70


def test_another_profile_is_named(stored, ours, log, server):
    store(server, slug="news", is_default=False)
    EmailBackend(profile="news").send_messages([mail()])
    assert [(row.requested, row.profile) for row in log()] == [("news", "news")]


def test_reason_keeps_the_port_and_masks_what_a_filter_quotes(stored, server, ours, log):
    server.refuse_login = True
    with pytest.raises(OSError, match="535"):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    assert f"port {server.port}, refused the login" in log()[-1].reason
    server.refuse_login = False
    server.refuse_content = "554 5.7.1 https://shop.example.com/reset/MQ/c9x-1f3a5b7c9d1e/ listed"
    with pytest.raises(OSError, match="554"):
        send_mail("Hi", "Text", None, ["bob@example.com"])
    assert "c9x-1f3a5b7c9d1e" not in log()[-1].reason
