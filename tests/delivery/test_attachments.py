"""Large attachments: the same octets as Django's, with less memory."""

from __future__ import annotations

import random
import tracemalloc

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailsetup.delivery import attachments
from mailsetup.delivery.compose import serialise
from tests.delivery.profiles import mail

GROUP = 57 * 1024
FIXED = {"Message-ID": "<1@example.com>", "Date": "Mon, 01 Jan 2024 00:00:00 -0000"}


def plain(message: EmailMessage) -> bytes:
    """Serialise as Django's SMTP backend does."""
    random.seed(4711)  # the boundaries are drawn from it
    if django.VERSION < (6, 0):
        return message.message().as_bytes(linesep="\r\n")
    from email import policy

    return message.message(policy=policy.SMTP).as_bytes()


def ours(message: EmailMessage) -> bytes:
    random.seed(4711)
    return serialise(message, smtputf8=[])


def octets(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize(
    "size",
    [attachments.LARGE, 2 * GROUP - 1, 2 * GROUP, 2 * GROUP + 1, 2 * GROUP + 57, 2 * GROUP + 58],
)
def test_an_attachment_is_written_as_django_writes_it(size):
    message = mail(headers=FIXED)
    message.attach("catalogue.pdf", octets(size), "application/pdf")
    assert ours(message) == plain(message)


def test_several_attachments_keep_their_order_and_names():
    message = EmailMultiAlternatives("Hi", "Text", "a@example.com", ["b@example.com"])
    message.extra_headers = dict(FIXED)
    message.attach_alternative("<p>Text</p>", "text/html")
    message.attach("tiny.bin", b"\x00\xff", "application/octet-stream")
    message.attach("first.png", octets(200_000), "image/png")
    message.attach("notes.txt", "words\n" * 20_000, "text/plain")
    message.attach("überraschung.zip", octets(300_000), "application/zip")
    message.attach(None, octets(100_000), "audio/mpeg")
    assert ours(message) == plain(message)


def test_octets_that_look_like_text_or_like_their_own_base64_are_no_trap():
    message = mail(headers=FIXED)
    message.attach("dots.bin", b"\r\n.\r\n" * 50_000, "application/octet-stream")
    message.attach("letters.bin", b"QUJD" * 50_000, "application/octet-stream")
    assert ours(message) == plain(message)


def test_the_message_is_left_as_it_was():
    message = mail(headers=FIXED)
    content = octets(100_000)
    message.attach("a.bin", content, "application/octet-stream")
    ours(message)
    assert [tuple(entry) for entry in message.attachments] == [
        ("a.bin", content, "application/octet-stream")
    ]


def test_a_class_of_the_sites_own_sees_its_content():
    seen = []

    class Signed(EmailMessage):
        def message(self, **options):
            seen.append(self.attachments[0][1])
            return super().message(**options)

    message = Signed("Hi", "Text", "a@example.com", ["b@example.com"], headers=FIXED)
    content = octets(100_000)
    message.attach("a.bin", content, "application/octet-stream")
    assert ours(message) == plain(message)
    assert set(seen) == {content}


def test_what_is_encoded_in_another_way_is_serialised_by_django():
    calls = []

    def render(message: EmailMessage) -> bytes:
        calls.append(message)
        return b"no base64 here"

    message = mail()
    message.attach("a.bin", octets(100_000), "application/octet-stream")
    assert attachments.serialise(message, render) == b"no base64 here"
    assert calls[-1] is message


def test_a_large_attachment_is_not_held_many_times():
    size = 5_000_000
    message = mail(headers=FIXED)
    message.attach("a.bin", octets(size), "application/octet-stream")
    tracemalloc.start()
    try:
        content = ours(message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The result itself is 1.37 times the attachment.
    assert len(content) <= peak < 1.9 * size
