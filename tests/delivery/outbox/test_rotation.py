"""New keys while mails wait."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command

from mailsetup import vault
from mailsetup.delivery import content
from mailsetup.delivery.outbox import courier
from mailsetup.delivery.rotation import rotate_contents
from mailsetup.models import Message, State

from .conftest import WORKER, mail, put
from .test_content import LARGE, folder  # noqa: F401 - a fixture


def test_contents_are_sealed_anew_in_rows_and_files(profile, server, work, settings, folder):  # noqa: F811
    rows = put(mail(body="small"), mail(body="large", attachments=LARGE))
    settings.MAILSETUP_KEYS = [vault.generate_key()]
    result = rotate_contents()
    assert (result.rotated, result.current, result.lost) == (2, 0, 0)
    assert rotate_contents().current == 2
    settings.SECRET_KEY = "another one"
    assert b"small" in content.read(Message.objects.get(pk=rows[0].pk))
    assert b"large" in content.read(Message.objects.get(pk=rows[1].pk))
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 1


def test_content_sealed_anew_after_its_message_was_claimed_goes_out(
    profile,
    server,
    settings,
    folder,  # noqa: F811
    monkeypatch,
):
    put(mail(attachments=LARGE))
    settings.MAILSETUP_KEYS = [vault.generate_key()]
    thaw = content.thaw

    def thaw_later(row, effective):
        assert rotate_contents().rotated == 1
        return thaw(row, effective)

    monkeypatch.setattr(content, "thaw", thaw_later)
    courier.work_once(5, worker=WORKER)
    assert Message.objects.get().state == State.SENT
    assert len(server.mails) == 1
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_content_that_no_key_opens_is_counted_and_left_alone(profile, settings):
    put(mail())
    settings.SECRET_KEY = "another one"
    assert rotate_contents().lost == 1
    out, err = StringIO(), StringIO()
    profile.delete()
    call_command("mailsetup_rotate_keys", stdout=out, stderr=err)
    assert "that no key opens: 1" in err.getvalue()
