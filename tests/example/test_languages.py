"""English and Vietnamese: the switch, and that nothing stays untranslated."""

import re

import pytest
from django.conf import settings as site
from django.core import mail
from django.urls import reverse
from django.utils import translation

from tests.example.translations import CATALOG, english_in, entries, visible

pytestmark = pytest.mark.django_db


def test_catalogue_is_complete_without_fuzzy_entries():
    source = CATALOG.read_text(encoding="utf-8")
    assert "#, fuzzy" not in source
    assert not re.search(r'msgstr(\[0\])? ""\n(?!")', source)


def test_compiled_catalogue_belongs_to_the_source():
    source = CATALOG.read_text(encoding="utf-8")
    compiled = entries()
    texts = re.findall(r'^msgid "(.+)"$', source, flags=re.MULTILINE)
    assert {text.replace('\\"', '"') for text in texts} == compiled.keys()
    for text in re.findall(r'^msgstr(?:\[0\])? "(.+)"$', source, flags=re.MULTILINE):
        assert text.replace('\\"', '"') in compiled.values()


def test_language_is_switched_by_the_footer_and_kept(client):
    page = client.get("/").content.decode()
    assert '<html lang="en">' in page
    assert 'name="language" value="vi" lang="vi"' in page
    response = client.post(reverse("set_language"), {"language": "vi", "next": "/sign-in/"})
    assert response.headers["Location"] == "/sign-in/"
    page = client.get("/").content.decode()
    assert '<html lang="vi">' in page
    assert "Trà từ trên những tầng mây" in page
    assert "185.000 ₫" in page


def test_browser_language_is_followed(client):
    page = client.get("/", headers={"accept-language": "vi-VN,vi;q=0.9"}).content.decode()
    assert '<html lang="vi">' in page


def test_no_english_on_any_vietnamese_page(client, staff, order):
    client.cookies[site.LANGUAGE_COOKIE_NAME] = "vi"
    client.raise_request_exception = False
    pages = {
        address: client.get(address, follow=True)
        for address in ("/", "/sign-in/", "/password-reset/", "/password-reset/sent/")
    }
    pages["done"] = client.get("/password-reset/done/")
    pages["bad link"] = client.get("/password-reset/MQ/a-b/")
    pages["404"] = client.get("/nowhere/")
    pages["order errors"] = client.post("/order/", {})
    pages["contact errors"] = client.post("/contact/", {"name": "a\nb", "email": "x"})
    pages["thanks"] = client.post("/order/", order, follow=True)
    client.force_login(staff)
    pages["staff"] = client.get("/")
    pages["500"] = client.post("/raise-error/")

    for name, response in pages.items():
        page = response.content.decode()
        assert '<html lang="vi">' in page, name
        assert english_in(visible(page)) == [], name


def test_no_english_in_any_vietnamese_mail(client, visitor, order, question):
    client.cookies[site.LANGUAGE_COOKIE_NAME] = "vi"
    client.post("/order/", order)
    client.post("/contact/", question)
    client.post("/password-reset/", {"email": visitor.email})

    assert len(mail.outbox) == 4
    for message in mail.outbox:
        html = message.alternatives[0][0]
        assert '<html lang="vi">' in html
        assert english_in("\n".join([message.subject, message.body, visible(html)])) == []


def test_price_is_written_as_each_language_does():
    from config.templatetags.shop import dong

    with translation.override("vi"):
        assert dong(1_240_000) == "1.240.000 ₫"
    with translation.override("en"):
        assert dong(1_240_000) == "1,240,000 ₫"
