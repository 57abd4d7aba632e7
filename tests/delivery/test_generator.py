"""Bodies and boundaries are written as Python's own serialiser writes them."""

from __future__ import annotations

import random
from email.policy import SMTP, SMTPUTF8, compat32
from unittest.mock import patch

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.delivery import generator
from tests.delivery.profiles import mail

POLICIES = [SMTP, SMTPUTF8] if django.VERSION >= (6, 0) else [compat32.clone(linesep="\r\n")]
FIXED = {"Message-ID": "<1@example.com>", "Date": "Thu, 01 Jan 2026 00:00:00 -0000"}
bodies = st.text(st.sampled_from("ab.=\r\n\x0b\x0c\x85\u2028é"), max_size=60)


def mime_of(message: EmailMessage, policy):
    message.extra_headers = FIXED
    return message.message(policy=policy) if django.VERSION >= (6, 0) else message.message()


def both(message: EmailMessage, policy) -> tuple[bytes, bytes]:
    """Return what Python makes of a message, and what we do."""
    random.seed(4711)  # the boundaries are drawn from it
    stock = mime_of(message, policy)
    stock = stock.as_bytes() if django.VERSION >= (6, 0) else stock.as_bytes(linesep="\r\n")
    random.seed(4711)
    return stock, generator.flattened(mime_of(message, policy), policy)


@pytest.mark.parametrize("policy", POLICIES)
@given(bodies)
def test_any_body_is_written_the_same(policy, body):
    stock, ours = both(mail(body=body), policy)
    assert ours == stock
    assert ours.count(b"\n") == ours.count(b"\r\n") == ours.count(b"\r")


@pytest.mark.parametrize("policy", POLICIES)
@given(bodies, bodies)
def test_any_parts_are_written_the_same(policy, body, page):
    message = EmailMultiAlternatives("Subject", body, "a@example.com", ["b@example.com"])
    message.attach_alternative(page, "text/html")
    message.attach("a.bin", b"\x00\xff" * 99, "application/octet-stream")
    message.attach("inner.eml", mail(body=body, headers=FIXED), "message/rfc822")
    stock, ours = both(message, policy)
    assert ours == stock


def test_a_boundary_that_occurs_in_a_part_is_drawn_again():
    message = mail(body=f"{'=' * 15}{1:019d}==\n")
    message.attach("a.html", "<p>page\n", "text/html")
    mime = mime_of(message, POLICIES[0])
    with patch.object(random, "randrange", side_effect=[1, 2, 3]):
        ours = generator.flattened(mime, POLICIES[0])
    assert f'boundary="{"=" * 15}{2:019d}=="'.encode() in ours


def test_other_classes_serialise_themselves():
    class Signed:
        policy = SMTP

        def as_bytes(self) -> bytes:
            return b"signed"

    assert generator.as_bytes(Signed()) == b"signed"
