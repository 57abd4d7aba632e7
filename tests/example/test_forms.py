"""The order form and the contact form: the mails they send, and what they refuse."""

import email
import re
from email import policy

import pytest
from django.core import mail
from django.urls import reverse

from tests.example import failing

pytestmark = pytest.mark.django_db


def parsed(message):
    """Read a mail back from its bytes, as a mail program does."""
    return email.message_from_bytes(message.message().as_bytes(), policy=policy.default)


def test_home_page_shows_both_forms_with_labels_for_every_field(client):
    page = client.get("/").content.decode()
    for form, fields in {
        "order": ["quantity", "name", "email", "address", "note"],
        "contact": ["name", "email", "subject", "message"],
    }.items():
        for field in fields:
            assert f'<label for="{form}_{field}">' in page
            assert f'id="{form}_{field}"' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_order_goes_to_the_shop_as_html_and_text_with_reply_to(client, order):
    response = client.post(reverse("order"), order, follow=True)

    assert response.redirect_chain == [("/#main", 302)]
    assert "A confirmation is on its way to anh@khach.example" in response.content.decode()
    to_shop = parsed(mail.outbox[0])
    assert to_shop["To"] == "shop@example.com"
    assert to_shop["Subject"] == "Order: 3 × West Lake lotus"  # noqa: RUF001
    assert to_shop["Reply-To"].addresses[0].display_name == "Nguyễn Thị Ánh"
    assert to_shop["Reply-To"].addresses[0].addr_spec == "anh@khach.example"
    text = to_shop.get_body(("plain",)).get_content()
    html = to_shop.get_body(("html",)).get_content()
    assert "12 Phố Huế\nHà Nội" in text
    assert "<b>Giao</b> buổi sáng" in text
    assert "720,000 ₫" in text
    assert "12 Phố Huế<br>Hà Nội" in html
    assert "&lt;b&gt;Giao&lt;/b&gt; buổi sáng" in html
    assert "<b>Giao" not in html


def test_order_is_confirmed_in_words_of_the_shop_only(client, order):
    order |= {"name": "Buy at evil.example", "note": "evil words", "address": "evil street"}
    client.post(reverse("order"), order)

    confirmation = parsed(mail.outbox[1])
    assert confirmation["To"] == "anh@khach.example"
    assert confirmation["Subject"] == "Thank you for your order"
    for kind in ("plain", "html"):
        body = confirmation.get_body((kind,)).get_content()
        assert "West Lake lotus" in body
        assert "evil" not in body


def test_question_goes_to_the_shop_as_html_and_text_with_reply_to(client, question):
    response = client.post(reverse("contact"), question, follow=True)

    assert "your message is on its way" in response.content.decode()
    (sent,) = mail.outbox
    message = parsed(sent)
    assert message["Subject"] == "Question: Nước nóng?"
    assert message["Reply-To"].addresses[0].display_name == 'Bob "B" O\'Neil'
    assert message["Reply-To"].addresses[0].addr_spec == "bob@khach.example"
    text = message.get_body(("plain",)).get_content()
    assert "\n.một dòng bắt đầu bằng dấu chấm & <i>hết</i>" in text
    assert "&amp; &lt;i&gt;hết&lt;/i&gt;" in message.get_body(("html",)).get_content()


@pytest.mark.parametrize("field", ["name", "subject", "email"])
@pytest.mark.parametrize(
    "tail", ["\nBcc: all@evil.example", "\r\nBcc: all@evil.example", "\x0bx", "\u2028x", "\x85x"]
)
def test_control_characters_in_a_header_field_are_refused(client, question, field, tail):
    question[field] += tail
    response = client.post(reverse("contact"), question)

    assert response.status_code == 200
    assert response.context["contact_form"].errors[field]
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tea", "coffee"),
        ("quantity", "0"),
        ("quantity", "21"),
        ("quantity", "many"),
        ("email", "no address"),
        ("name", ""),
        ("address", "\x00"),
    ],
)
def test_wrong_order_is_shown_again_with_its_error_and_what_was_typed(client, order, field, value):
    order[field] = value
    response = client.post(reverse("order"), order)

    page = response.content.decode()
    assert response.context["order_form"].errors.keys() == {field}
    assert 'role="alert"' in page
    assert f'href="#order_{field}"' in page
    assert "Phố Huế" in page or field == "address"
    assert mail.outbox == []
    assert not response.context["contact_form"].is_bound


@pytest.mark.parametrize("backend", [failing.Down, failing.Misconfigured])
@pytest.mark.parametrize("form", ["order", "contact"])
def test_failure_to_send_is_told_in_a_sentence_and_loses_nothing(
    client, settings, request, form, backend
):
    failing.use(settings, backend)
    typed = request.getfixturevalue("order" if form == "order" else "question")
    response = client.post(reverse(form), typed)

    page = response.content.decode()
    assert response.status_code == 200
    assert "Sorry, we could not send this just now" in page
    assert "refused" not in page
    for field, value in typed.items():
        assert response.context[f"{form}_form"][field].value() == value


def test_order_whose_confirmation_fails_is_not_asked_for_again(client, settings, order):
    failing.use(settings, failing.RefusesCustomers)
    response = client.post(reverse("order"), order, follow=True)

    assert response.redirect_chain
    assert "could not send a confirmation" in response.content.decode()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("form", ["order", "contact"])
def test_form_address_opened_by_itself_leads_home(client, form):
    assert client.get(reverse(form)).headers["Location"] == "/"


def test_signed_in_visitor_need_not_type_the_address(client, visitor):
    client.force_login(visitor)
    assert client.get("/").content.decode().count('value="visitor@example.com"') == 2


@pytest.mark.parametrize("form", ["order", "contact"])
def test_form_without_csrf_token_is_refused(form):
    from django.test import Client

    response = Client(enforce_csrf_checks=True).post(reverse(form))
    assert response.status_code == 403
    assert "Please send the form again" in response.content.decode()
