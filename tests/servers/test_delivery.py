"""What an app of the site sends arrives: from Django's mail API to the mailbox, read by IMAP."""

from __future__ import annotations

import base64
import email
import email.policy
import random
import re
import smtplib
import ssl
import uuid
from email.message import EmailMessage as StandardMessage
from email.mime.image import MIMEImage
from email.utils import make_msgid

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailsetup.signals import recipient_refused
from mailsetup.smtp.errors import Stage

from .dovecot import DOMAIN
from .postfix import INTERNATIONAL, INTERNATIONAL_ASCII
from .process import wait_for
from .profiles import GUARDED

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db,
    pytest.mark.usefixtures("site_sends_by_mailsetup"),
]

AN, BINH, CHI = (f"{user}@{DOMAIN}" for user in ("an", "binh", "chi"))
NOBODY = f"nobody@{DOMAIN}"
SUBJECT = "Đặt hàng thành công: phở & bánh mì"
TEXT = (
    "Xin chào,\n\nĐơn hàng của bạn đã được ghi nhận.\n.một dòng bắt đầu bằng dấu chấm\n..\n.\nHết\n"
)
HTML = "<p>Đơn hàng của bạn đã được <b>ghi nhận</b>.</p>"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def arrived(mailbox):
    """Return a function that waits for a message in a user's mailbox and parses it."""

    def fetch(message: EmailMessage, user: str = "binh") -> StandardMessage:
        raw = mailbox(user).fetch(message.extra_headers["Message-ID"])
        return email.message_from_bytes(raw, policy=email.policy.default)

    return fetch


def new(kind: type[EmailMessage] = EmailMultiAlternatives, **values) -> EmailMessage:
    """Return a message to binh with a Message-ID of its own."""
    headers = {"Message-ID": f"<{uuid.uuid4()}@client.test>"} | values.pop("headers", {})
    values = {"subject": SUBJECT, "body": TEXT, "from_email": AN, "to": [BINH]} | values
    return kind(headers=headers, **values)


def subject_of(seen: StandardMessage) -> str:
    # Django 5.2 begins a subject that is not ASCII on a line of its own: a blank more.
    return seen["Subject"].lstrip()


def text_of(part: StandardMessage) -> str:
    return part.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("service", GUARDED)
def test_text_arrives_in_vietnamese(make_profile, arrived, service):
    make_profile(service)
    message = new(EmailMessage)
    assert message.send() == 1
    seen = arrived(message)
    assert subject_of(seen) == SUBJECT
    assert seen["From"] == AN
    assert seen["To"] == BINH
    assert seen["Return-Path"] == f"<{AN}>"
    assert text_of(seen) == TEXT


def test_a_long_subject_arrives_as_django_folded_it(profile, arrived):
    # Some Pythons (3.12.1 is one) lose a blank between the lines of a folded one.
    message = new(EmailMessage, subject=f"{SUBJECT}. " * 5)
    assert message.send() == 1
    folded = email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)
    assert arrived(message)["Subject"] == folded["Subject"]


def test_html_arrives(profile, arrived):
    message = new(EmailMessage, body=HTML)
    message.content_subtype = "html"
    assert message.send() == 1
    seen = arrived(message)
    assert seen.get_content_type() == "text/html"
    assert text_of(seen).rstrip("\n") == HTML


def test_text_and_html_arrive_as_alternatives(profile, arrived):
    message = new()
    message.attach_alternative(HTML, "text/html")
    assert message.send() == 1
    seen = arrived(message)
    assert seen.get_content_type() == "multipart/alternative"
    assert text_of(seen.get_body(("plain",))) == TEXT
    assert text_of(seen.get_body(("html",))).rstrip("\n") == HTML


@pytest.mark.parametrize("service", GUARDED)
def test_an_attachment_of_five_megabytes_arrives_unchanged(make_profile, arrived, service):
    make_profile(service)
    content = random.Random(7).randbytes(5_000_000)
    message = new()
    message.attach("hóa đơn.bin", content, "application/octet-stream")
    assert message.send() == 1
    (attachment,) = arrived(message).iter_attachments()
    assert attachment.get_filename() == "hóa đơn.bin"
    assert attachment.get_content() == content


def test_an_inline_image_arrives(profile, arrived):
    cid = make_msgid(domain="client.test")
    message = new()
    message.attach_alternative(f'<img src="cid:{cid[1:-1]}" alt="">', "text/html")
    if django.VERSION >= (6, 0):
        image = StandardMessage()
        image.set_content(PNG, "image", "png", disposition="inline", cid=cid)
    else:
        image = MIMEImage(PNG, "png")
        image.add_header("Content-ID", cid)
        image.add_header("Content-Disposition", "inline")
    message.attach(image)
    assert message.send() == 1
    seen = arrived(message)
    (part,) = (part for part in seen.walk() if part["Content-ID"] == cid)
    assert part.get_content() == PNG
    assert part.get_content_disposition() == "inline"
    assert cid[1:-1] in text_of(seen.get_body(("html",)))


def test_blind_copies_stay_blind(profile, arrived):
    message = new(cc=[AN], bcc=[CHI], headers={"Bcc": CHI})
    assert message.send() == 1
    for user in ("binh", "an", "chi"):
        seen = arrived(message, user)
        assert seen["Bcc"] is None
        assert seen["Cc"] == AN
        headers_of_ours = seen.as_bytes().partition(b"Content-Type:")[2]
        assert CHI.encode() not in headers_of_ours


def test_reply_to_and_custom_headers_arrive(profile, arrived):
    message = new(reply_to=[CHI], headers={"X-Order": "42", "List-Unsubscribe": "<https://x.test>"})
    assert message.send() == 1
    seen = arrived(message)
    assert seen["Reply-To"] == CHI
    assert seen["X-Order"] == "42"
    assert seen["List-Unsubscribe"] == "<https://x.test>"


def test_a_foreign_sender_becomes_the_profiles_with_answers_to_the_original(profile, arrived):
    message = new(from_email="Khách <khach@elsewhere.test>")
    assert message.send() == 1
    seen = arrived(message)
    assert seen["From"].addresses[0].addr_spec == AN
    assert seen["Reply-To"].addresses[0].addr_spec == "khach@elsewhere.test"
    assert seen["Return-Path"] == f"<{AN}>"


def test_send_mail_and_send_mass_mail_arrive(profile, mailbox, arrived):
    assert mail.send_mail(SUBJECT, TEXT, AN, [CHI], html_message=HTML) == 1
    texts = [(f"{SUBJECT} {n} {uuid.uuid4()}", TEXT, AN, [CHI]) for n in range(5)]
    assert mail.send_mass_mail(texts) == 5
    with mailbox("chi").imap() as client:
        _, found = client.search(None, "ALL")
        raws = [client.fetch(n.decode(), "(BODY.PEEK[])")[1][0][1] for n in found[0].split()]
    seen = [email.message_from_bytes(raw, policy=email.policy.default) for raw in raws]
    subjects = [subject_of(one) for one in seen]
    for subject, *_ in texts:
        assert subjects.count(subject) == 1


def test_an_open_connection_sends_many(profile, arrived):
    messages = [new(EmailMessage) for _ in range(3)]
    connection = mail.mailers["default"] if django.VERSION >= (6, 1) else mail.get_connection()
    with connection:
        for message in messages:
            assert connection.send_messages([message]) == 1
    for message in messages:
        assert text_of(arrived(message)) == TEXT


def test_a_refused_recipient_does_not_keep_the_others_from_theirs(profile, arrived, caplog):
    refusals = []

    def note(**kwargs):
        refusals.append((kwargs["recipient"], kwargs["error"].code))

    recipient_refused.connect(note)
    try:
        message = new(to=[NOBODY, BINH, CHI])
        assert message.send() == 1
    finally:
        recipient_refused.disconnect(note)
    for user in ("binh", "chi"):
        assert text_of(arrived(message, user)) == TEXT
    assert refusals == [(NOBODY, 550)]
    assert NOBODY in caplog.text


def test_a_message_whose_recipients_are_all_refused_raises(profile):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        new(to=[NOBODY]).send()
    assert caught.value.stage == Stage.RECIPIENT
    assert caught.value.enhanced_code == "5.1.1"


@pytest.mark.parametrize("service", GUARDED)
def test_a_wrong_password_raises_at_the_login(make_profile, postfix, service):
    make_profile(service, password="mật khẩu sai")
    before = len(postfix.log())
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        new().send()
    assert caught.value.stage == Stage.LOGIN
    assert caught.value.code == 535
    assert "sai" not in str(caught.value)

    def attempts() -> list[str]:
        # Postfix sums a connection up as "ehlo=2 starttls=1 auth=0/1 …": none of one succeeded.
        return re.findall(r" auth=0/(\d+)", postfix.log()[before:])

    wait_for(attempts, seconds=30, what="Postfix to write its log")
    # One AUTH command: a second would count twice towards a lock-out.
    assert attempts() == ["1"]


def test_an_unknown_authority_raises_before_the_login(make_profile, postfix):
    make_profile(ca="")
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        new().send()
    assert caught.value.stage == Stage.TLS
    assert isinstance(caught.value, smtplib.SMTPException)


def test_an_international_domain_is_reached(profile, arrived):
    message = new(to=[f"Bình <binh@{INTERNATIONAL}>"])
    assert message.send() == 1
    assert arrived(message)["X-Original-To"] == f"binh@{INTERNATIONAL_ASCII}"


@pytest.mark.skipif(django.VERSION < (6, 0), reason="needs Django 6.0")
def test_a_local_part_beyond_ascii_is_reached(profile, arrived):
    message = new(to=[f"nguyễn@{DOMAIN}"])
    assert message.send() == 1
    seen = arrived(message, "an")
    assert seen["X-Original-To"] == f"nguyễn@{DOMAIN}"
    assert f"To: nguyễn@{DOMAIN}".encode() in seen.as_bytes(policy=email.policy.SMTPUTF8).replace(
        b"\r\n ", b" "
    )
    assert text_of(seen) == TEXT


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="needs Django 5.2")
def test_a_local_part_beyond_ascii_is_refused_with_its_reason(profile):
    with pytest.raises(ValueError, match="SMTPUTF8"):
        new(to=[f"nguyễn@{DOMAIN}"]).send()
