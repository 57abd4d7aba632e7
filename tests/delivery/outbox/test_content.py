"""Contents: frozen once, sealed, and made ready by the profile that serves when they are sent."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.mail import EmailMultiAlternatives

from mailsetup.delivery import content
from mailsetup.delivery.compose import compose
from mailsetup.effective import resolve
from mailsetup.exceptions import ContentUnavailableError
from mailsetup.models import Message, SMTPProfile, State

from .conftest import mail, put

LARGE = [("big.bin", b"\x00\x01" * 60_000, "application/octet-stream")]


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    settings.MAILSETUP = {**getattr(settings, "MAILSETUP", {}), "CONTENT_DIR": tmp_path / "kept"}
    return tmp_path / "kept"


@pytest.mark.parametrize(
    "values",
    [
        {"from_email": "ann@example.org"},
        {"from_email": "Ngân Nguyễn <ngan@example.org>"},
        {"from_email": "webmaster@localhost"},
        {"from_email": "ann@example.org", "reply_to": ["other@example.org"]},
        {"from_email": "ann@example.org", "headers": {"From": "Shop <x@example.org>"}},
        {"from_email": "ann@example.org", "headers": {"Reply-To": "r@example.org"}},
        {"from_email": "ann@example.org", "subject": "dài " * 60, "body": ".\n.dot\n"},
    ],
)
@pytest.mark.parametrize("forced", [True, False])
def test_sent_later_a_mail_reads_as_if_it_were_sent_at_once(profile, values, forced):
    changes = {"force_from_email": forced, "from_name": "Trà Mây", "reply_to": "desk@example.com"}
    SMTPProfile.objects.update(**changes)
    message = mail(**values)
    headers = {"Message-ID": "<1@example.com>", "Date": "Thu, 26 Nov 2026 09:00:00 +0700"}
    message.extra_headers = {**(message.extra_headers or {}), **headers}
    (row,) = put(message)
    later, now = content.thaw(row, resolve()), compose(message, resolve())
    assert (later.sender, later.recipients) == (now.sender, now.recipients)
    assert _read(later.content) == _read(now.content)


def _read(octets: bytes) -> tuple[list[tuple[str, str]], str]:
    parsed = message_from_bytes(octets, policy=policy.default)
    return sorted(
        (name.lower(), str(value)) for name, value in parsed.items()
    ), parsed.get_content()


def test_edit_of_the_sender_counts_for_what_waits(profile, server, work):
    put(mail(from_email="ann@example.org"))
    SMTPProfile.objects.update(from_email="new@example.com", force_from_email=True)
    work()
    (arrived,) = server.mails
    assert arrived.sender == "new@example.com"
    assert arrived.parsed["From"] == "new@example.com"
    assert arrived.parsed["Reply-To"] == "ann@example.org"
    assert len(arrived.parsed.get_all("From")) == 1


def test_content_is_sealed_in_the_row(profile):
    (row,) = put(mail(body="token 8c1f"))
    sealed = bytes(Message.objects.get(pk=row.pk).content)
    assert b"token" not in sealed
    assert b"8c1f" in content.read(row)


def test_large_content_is_a_sealed_file_and_goes_when_it_is_sent(profile, server, work, folder):
    (row,) = put(mail(body="token 8c1f", attachments=LARGE))
    (file,) = [path for path in folder.rglob("*") if path.is_file()]
    assert row.content is None
    assert file.stat().st_mode & 0o077 == 0
    assert b"token" not in file.read_bytes()
    work()
    assert server.mails[0].parsed.get_body().get_content().strip() == "token 8c1f"
    assert not [path for path in folder.rglob("*") if path.is_file()]
    row.refresh_from_db()
    assert not row.has_content


def test_storage_that_is_full_leaves_the_content_to_the_database(
    profile, folder, monkeypatch, caplog
):
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "_save", full)
    (row,) = put(mail(attachments=LARGE))
    assert row.content is not None
    assert row.content_file == ""
    assert "the mail is safe, the database keeps the content instead" in caplog.text


def test_missing_file_sets_the_message_aside_and_the_others_go(profile, server, work, folder):
    (lost,) = put(mail(subject="lost", attachments=LARGE))
    put(mail(subject="good"))
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    work()
    lost.refresh_from_db()
    assert (lost.state, lost.needs_attention) == (State.SET_ASIDE, True)
    assert "No such file" in lost.reason
    assert [one.parsed["Subject"] for one in server.mails] == ["good"]


def test_lost_key_sets_the_message_aside(profile, server, work, settings):
    (row,) = put(mail())
    Message.objects.update(content=b"\x80nonsense")
    work()
    row.refresh_from_db()
    assert row.state == State.SET_ASIDE
    assert "keys of this site" in row.reason
    with pytest.raises(ContentUnavailableError):
        content.read(row)


def test_content_of_another_message_is_not_opened(profile):
    one, other = put(mail(), mail())
    one.content = other.content
    with pytest.raises(ContentUnavailableError):
        content.read(one)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"recipe": {"from": 7}},
        {"recipe": []},
        {"recipients": []},
        {"recipients": [7]},
        {"recipients": {"a": 1}},
        {"remaining": "abc"},
        {"recipients": ["a@b@c\r\nRCPT"]},
        {"content": b"", "content_file": "../../etc/passwd"},
        {"content": None, "content_file": "../../etc/passwd"},
    ],
    ids=str,
)
def test_row_edited_into_nonsense_is_set_aside(profile, server, work, nonsense):
    bad = put(mail(subject="bad"), mail(subject="good"))[0]
    Message.objects.filter(pk=bad.pk).update(**nonsense)
    work()
    bad.refresh_from_db()
    assert bad.state in {State.SET_ASIDE, State.FAILED}
    assert len(bad.reason) > 20
    assert [one.parsed["Subject"] for one in server.mails] == ["good"]


def test_html_and_inline_image_arrive_unchanged(profile, server, work):
    message = EmailMultiAlternatives("Hi", "Text", None, ["bob@example.com"])
    message.attach_alternative("<p>Chào</p>", "text/html")
    message.attach("a.png", b"\x89PNG" + bytes(range(256)), "image/png")
    put(message)
    work()
    parts = [part.get_content_type() for part in server.mails[0].parsed.walk()]
    assert parts[-3:] == ["text/plain", "text/html", "image/png"]


def test_content_goes_with_a_mail_that_is_not_sent_on_purpose(profile, server, work, folder):
    rows = put(mail(), mail(attachments=LARGE), mail(headers={"X-Mailsetup-Priority": "bulk"}))
    Message.objects.filter(pk=rows[2].pk).update(log="content")
    SMTPProfile.objects.update(do_not_send=True)
    assert work() == 3
    kept = Message.objects.filter(state=State.DROPPED).order_by("pk")
    assert [row.has_content for row in kept] == [False, False, True]
    assert not [path for path in folder.rglob("*") if path.is_file()]
