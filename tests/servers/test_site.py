"""The example site's own mails, by a stored profile through Postfix into a mailbox."""

from __future__ import annotations

import email
import email.policy
import re

import django
import pytest
from django.contrib.auth import get_user_model
from django.core.mail import mail_admins
from django.urls import reverse

from .dovecot import DOMAIN
from .profiles import GUARDED

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db,
    pytest.mark.usefixtures("site_sends_by_mailsetup"),
]

AN, BINH, CHI = (f"{user}@{DOMAIN}" for user in ("an", "binh", "chi"))


@pytest.fixture(params=GUARDED)
def inbox(request, make_profile, settings, mailbox):
    """Return a function that waits for the site's next mails to a user, and parses them."""
    make_profile(request.param)
    settings.SHOP_EMAIL = BINH
    settings.ADMINS = [BINH] if django.VERSION >= (6, 0) else [("Bình", BINH)]
    begin = {user: mailbox(user).next_uid() for user in ("binh", "chi")}

    def arrived(user: str, count: int = 1):
        raws = mailbox(user).fetch_since(begin[user], count=count)
        assert len(raws) == count
        mails = [email.message_from_bytes(raw, policy=email.policy.default) for raw in raws]
        assert {one["Return-Path"] for one in mails} == {f"<{AN}>"}
        assert {one["From"].addresses[0].addr_spec for one in mails} == {AN}
        return mails

    return arrived


def parts(mail) -> tuple[str, str]:
    texts = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    text, html = (part.replace("\r\n", "\n") for part in texts)
    return text, html


def test_the_contact_form_reaches_the_shop(client, inbox):
    body = "Xin chào,\n\n.một dòng bắt đầu bằng dấu chấm\n.\nHết"
    question = {"name": "Ánh", "email": CHI, "subject": "Nước nóng?", "message": body}
    assert client.post(reverse("contact"), question).status_code == 302
    (seen,) = inbox("binh")
    assert seen["Subject"].lstrip() == "Question: Nước nóng?"
    assert seen["Reply-To"].addresses[0].addr_spec == CHI
    text, html = parts(seen)
    assert body in text
    assert "dấu chấm" in html


def test_the_order_form_reaches_shop_and_customer(client, inbox):
    order = {"tea": "lotus", "quantity": "3", "name": "Nguyễn Thị Ánh", "email": CHI}
    order |= {"address": "12 Phố Huế\nHà Nội", "note": "Giao buổi sáng"}
    assert client.post(reverse("order"), order).status_code == 302
    (to_shop,) = inbox("binh")
    (to_customer,) = inbox("chi")
    assert to_shop["Reply-To"].addresses[0].display_name == "Nguyễn Thị Ánh"
    assert "12 Phố Huế\nHà Nội" in parts(to_shop)[0]
    assert "Giao buổi sáng" in parts(to_shop)[1]
    assert to_customer["Subject"] == "Thank you for your order"
    assert all(parts(to_customer))


def test_a_password_reset_reaches_its_user(client, inbox):
    get_user_model().objects.create_user("chi", CHI, "a visitor's word")
    assert client.post(reverse("password_reset"), {"email": CHI}).status_code == 302
    (seen,) = inbox("chi")
    link = re.search(r"http://testserver(/\S+)", parts(seen)[0])[1]
    assert client.get(link, follow=True).status_code == 200


def test_mail_to_the_admins_reaches_them(inbox):
    # Django's own sender of error mails is root@localhost, which no server takes mail from.
    mail_admins("Lỗi", "Một trang đã hỏng.")
    (seen,) = inbox("binh")
    assert seen["Subject"].lstrip().endswith("Lỗi")
    assert seen.get_content().strip() == "Một trang đã hỏng."
    assert seen["Reply-To"] is None


def test_a_page_that_fails_is_reported_to_the_admins(client, inbox):
    clerk = get_user_model().objects.create_user("st", CHI, "a clerk's word", is_staff=True)
    client.force_login(clerk)
    client.raise_request_exception = False
    assert client.post(reverse("raise-error")).status_code == 500
    (seen,) = inbox("binh")
    assert "ERROR" in seen["Subject"]
    assert "raised on purpose" in seen.get_body(("plain",)).get_content()
