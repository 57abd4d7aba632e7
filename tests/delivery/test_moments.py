"""A site without zones (USE_TZ off): every moment is written as its columns take it."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone

from mailsetup.backends import EmailBackend
from mailsetup.delivery import content, moments
from mailsetup.delivery.log import purge
from mailsetup.delivery.log.logbook import flush
from mailsetup.models import Message

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_zones(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Ho_Chi_Minh"


def put(**headers):
    message = EmailMessage("Hi", "x" * 200, None, ["ann@example.com"], headers=headers)
    assert EmailBackend().send_messages([message]) == 1


def test_mail_sent_at_once_is_written_down(stored, ours):
    put()
    flush()
    row = Message.objects.get()
    assert row.state == "sent"
    assert abs(row.settled_at - datetime.now()) < timedelta(minutes=1)


@pytest.mark.parametrize("value", ["2031-01-31T09:30:00+00:00", "2031-01-31T16:30:00"])
def test_moments_of_headers_are_of_the_site(stored, ours, value):
    put(**{"X-Mailsetup-Send-At": value, "X-Mailsetup-Expires-At": value})
    row = Message.objects.get()
    assert row.due_at == row.expires_at == datetime(2031, 1, 31, 16, 30)


def test_files_of_no_mail_are_found(stored, ours, settings, tmp_path):
    settings.MAILSETUP = {"CONTENT_DIR": tmp_path, "CONTENT_INLINE": 10, "ENGINE": "worker"}
    put(**{"X-Mailsetup-Sending": "background"})
    name = Message.objects.get().content_file
    Message.objects.all().delete()
    long_ago = (datetime.now() - timedelta(days=9)).timestamp()
    os.utime(tmp_path / name, (long_ago, long_ago))
    purge.purge()
    assert not content.content_storage().exists(name)


def test_moments_keep_what_they_have(settings):
    naive = datetime(2031, 1, 31, 16, 30)
    assert moments.stored(naive) == naive
    settings.USE_TZ = True
    assert moments.stored(naive) == timezone.make_aware(naive)
    assert moments.stored(timezone.make_aware(naive)) == timezone.make_aware(naive)
