"""The content on the wire: lines, attachments, headers, letters of every script."""

from __future__ import annotations

from email.message import MIMEPart
from email.mime.image import MIMEImage
from email.mime.text import MIMEText

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailsetup.delivery.compose import compose
from tests.delivery.profiles import SHOP, headers, in_force, mail, parse


@pytest.mark.parametrize(
    "body", ["a\nb", "a\r\nb", "a\rb", ".\n..\n.a", "ế" * 2000, "x" * 3000, ""]
)
def test_lines_end_with_crlf_and_the_body_comes_back(body):
    envelope = compose(mail(body=body), in_force(**SHOP))
    assert b"\r" not in envelope.content.replace(b"\r\n", b"")
    assert b"\n" not in envelope.content.replace(b"\r\n", b"")
    content = parse(envelope).get_content()
    assert content.rstrip("\r\n").splitlines() == body.splitlines()


def test_attachments_and_inline_images_keep_every_byte():
    octets = bytes(range(256)) * 40
    message = EmailMultiAlternatives("Hi", "Text", "ann@example.com", ["bob@example.com"])
    message.attach_alternative('<p>HTML <img src="cid:logo"></p>', "text/html")
    message.attach("tệp.bin", octets, "application/octet-stream")
    if django.VERSION >= (6, 0):
        image = MIMEPart()
        image.set_content(
            octets, maintype="image", subtype="png", disposition="inline", cid="<logo>"
        )
    else:
        image = MIMEImage(octets, "png")
        image.add_header("Content-ID", "<logo>")
        image.add_header("Content-Disposition", "inline")
    message.attach(image)
    found = parse(compose(message, in_force(**SHOP)))
    assert found.get_body(("plain",)).get_content().strip() == "Text"
    assert "cid:logo" in found.get_body(("html",)).get_content()
    parts = {part.get_content_type(): part for part in found.walk()}
    assert parts["application/octet-stream"].get_content() == octets
    assert parts["application/octet-stream"].get_filename() == "tệp.bin"
    assert parts["image/png"].get_content() == octets
    assert parts["image/png"]["Content-ID"] == "<logo>"


def test_a_message_of_its_own_class_is_asked_for_its_content():
    class Own(EmailMessage):
        def message(self, **kwargs):
            made = super().message(**kwargs)
            made["X-Own"] = "yes"
            return made

    found = headers(Own("Hi", "Text", "root@localhost", ["bob@example.com"]))
    assert found["X-Own"] == "yes"
    assert found["From"] == "shop@example.com"


def test_a_header_of_the_app_is_kept():
    found = headers(mail(headers={"List-Unsubscribe": "<https://example.com/u>", "Date": "x"}))
    assert found["List-Unsubscribe"] == "<https://example.com/u>"
    assert len(found.get_all("Date")) == 1


def test_a_long_vietnamese_subject_comes_back():
    subject = " ".join(["Đơn hàng số 1 của quý khách đã được xác nhận"] * 5)
    found = headers(mail(subject=subject))
    # Django 5.2 folds before the first word, and Python's parser keeps that blank.
    assert found["Subject"].strip() == subject


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="needs Django 5.2")
def test_a_legacy_attachment_is_taken():
    message = mail()
    message.attach(MIMEText("một", "plain", "utf-8"))
    found = headers(message)
    assert [part.get_content().strip() for part in found.iter_parts()] == ["Text", "một"]
