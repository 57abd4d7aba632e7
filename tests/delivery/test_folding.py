"""Short headers are written as Python's own serialiser writes them."""

from __future__ import annotations

import random
from email.policy import SMTP

import django
import pytest
from django.core.mail import EmailMessage
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.profiles import mail

if django.VERSION >= (6, 0):
    pytest.skip("needs Django before 6.0", allow_module_level=True)

from mailsetup.delivery import folding

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120)
words = st.text(st.sampled_from('ab ,;=?<>@"\t\xe9\u4e2d'), max_size=100)


def both(message: EmailMessage) -> tuple[bytes, bytes]:
    """Return what Python makes of a message, and what we do."""
    message.extra_headers = {"Message-ID": "<1@example.com>"} | message.extra_headers
    mime = message.message()
    del mime["Date"]
    random.seed(4711)  # the boundaries are drawn from it
    stock = mime.as_bytes(linesep="\r\n")
    mime = message.message()
    del mime["Date"]
    random.seed(4711)
    return stock, folding.as_bytes(mime)


@given(printable | words, printable | words)
def test_any_header_is_written_the_same(subject, value):
    stock, ours = both(mail(subject=subject, headers={"X-Header": value}))
    assert ours == stock


@pytest.mark.parametrize("length", range(60, 90))
def test_headers_around_the_limit_are_written_the_same(length):
    for value in ("x" * length, ("word " * length)[:length].strip(), "a;" * (length // 2)):
        stock, ours = both(mail(subject=value, headers={"X-Longer-Header": value}))
        assert ours == stock


@pytest.mark.parametrize("subtype", ["mixed", "related", "alternative", "x" * 60])
def test_the_header_with_a_boundary_is_written_the_same(subtype):
    message = mail(body="text\n")
    message.mixed_subtype = subtype
    message.attach("a.html", "<p>page\n" * 9, "text/html")
    stock, ours = both(message)
    assert ours == stock


def test_a_message_with_parts_is_written_the_same():
    message = mail(
        to=[f"recipient-{number}@example.com" for number in range(9)], cc=["Ü <u@e.com>"]
    )
    message.attach("naïve.txt", "text\n" * 9, "text/plain")
    message.attach("a.bin", b"\x00\xff" * 99, "application/octet-stream")
    stock, ours = both(message)
    assert ours == stock
    assert b"\r\n" in ours
    assert ours.count(b"\n") == ours.count(b"\r\n")


def test_other_classes_and_policies_serialise_themselves():
    class Signed:
        policy = SMTP

        def as_bytes(self, linesep: str) -> bytes:
            return b"signed" + linesep.encode()

    assert folding.as_bytes(Signed()) == b"signed\r\n"
    mime = mail(headers={"X-Long": "word " * 30}).message()
    mime.policy = SMTP.clone(max_line_length=40)
    assert folding.as_bytes(mime) == mime.as_bytes(linesep="\r\n")
