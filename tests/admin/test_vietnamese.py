"""Every page, mail and script message in Vietnamese, searched for English ones."""

import json
import re
from pathlib import Path

import polib
import pytest
from django.conf import settings as site

from mailsetup import providers
from mailsetup.models import SMTPProfile
from tests.admin.conftest import url
from tests.backend_servers import store

CATALOGUE = Path(__file__).parents[2] / "mailsetup/locale/vi/LC_MESSAGES/django.po"
# What is the same in both languages; "default" is a name that a profile may have.
_BOTH = {"default", "STARTTLS", "TLS", "HTML", "Reply-To", "Connect", "Settings"}

# Addresses, and words of the providers' own English menus.
_NAMES = re.compile(r"https?://\S+|Sending\b.{1,5} Domain settings|message stream")


def english_words() -> list[re.Pattern[str]]:
    """Return patterns of the texts that have a Vietnamese one, the short words left out."""
    patterns = []
    entries = polib.pofile(str(CATALOGUE))
    texts = [(text, one.msgstr) for one in entries for text in (one.msgid, one.msgid_plural)]
    for text, translated in texts:
        if text in _BOTH or text == translated or len(text) < 6:
            continue
        # A text with a place for a value is looked for by its longest piece of words.
        pieces = re.split(r"%\(\w+\)[sd]|%s|\{\w+\}", text)
        piece = max(pieces, key=len).strip(" .,:;()“”")
        if len(piece) >= 6:
            patterns.append(re.compile(rf"(?<![\w.-]){re.escape(piece)}(?![\w-])"))
    return patterns


ENGLISH = english_words()


def found_in(text: str) -> list[str]:
    # The scripts' places for a value keep their names.
    text = _NAMES.sub("", re.sub(r"\{\w+\}", "", text))
    return [pattern.pattern for pattern in ENGLISH if pattern.search(text)]


def sentences(value: object) -> list[str]:
    """Return the texts of more than one word in data for a script; its names are no texts."""
    if isinstance(value, dict):
        # Search words are typed, never shown; they are in both languages.
        value = [text for name, text in value.items() if name != "keywords"]
    if isinstance(value, list):
        return [text for one in value for text in sentences(one)]
    return [value] if isinstance(value, str) and " " in value else []


def readable(html: str) -> str:
    """Return what is read, heard or handed to a script: texts, attributes and JSON."""
    blocks = re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", html, re.DOTALL)
    data = [text for block in blocks for text in sentences(json.loads(block))]
    # The headers of a mail are that mail's words.
    html = re.sub(r'<table class="mailsetup-headers">.*?</table>', " ", html, flags=re.DOTALL)
    html = re.sub(r"<(script|style|code|pre)\b.*?</\1>", " ", html, flags=re.DOTALL)
    attributes = re.findall(
        r'(?:title|alt|placeholder|aria-label|aria-description|data-(?!url)[\w-]+)="([^"]+)"', html
    )
    buttons = re.findall(r'<input type="submit"[^>]*value="([^"]+)"', html)
    words = re.sub(r"<[^>]+>", " ", html)
    return " ".join([words, *attributes, *buttons, *data]).replace("&#x27;", "'")


@pytest.fixture
def vietnamese(client):
    client.cookies[site.LANGUAGE_COOKIE_NAME] = "vi"
    return client


def _pages(client, row, server) -> dict[str, object]:
    send = {"to": "ann@example.com", "profile": "shop", "html": "on", "_send": "x"}
    wrong = SMTPProfile.objects.create(slug="off", host="mail.example.com", active=False)
    bad = {
        "host": "smtp://a b:1", "port": "0", "encryption": "none", "login": "password",
        "username": "", "password": "", "from_email": "x", "return_path": "y", "reply_to": "z",
        "ehlo_name": "a b", "timeout": "0", "in_flight": "0", "slug": "default", "ca": "x",
        "is_default": "on",
    }  # fmt: skip
    return {
        "list": client.get(url("changelist")),
        "app": client.get("/admin/mailsetup/"),
        "add": client.get(url("add")),
        "change": client.get(url("change", row.pk)),
        "switched off": client.get(url("change", wrong.pk)),
        "form errors": client.post(url("add"), bad),
        "moved": client.post(url("change", row.pk), bad | {"host": "other.example.com"}),
        "delete": client.get(url("delete", row.pk)),
        "history": client.get(url("history", row.pk)),
        "test": client.get(url("test")),
        "test errors": client.post(url("test"), send | {"to": "x"}),
        "sent": client.post(url("test"), send, follow=True),
        "checked": client.post(url("test"), {"profile": "shop", "_check": "x"}, follow=True),
        "not active": client.post(url("test"), send | {"profile": "off"}, follow=True),
    }


def test_no_english_on_any_page(vietnamese, server):
    row = store(server, host="localhost")
    for name, page in _pages(vietnamese, row, server).items():
        assert page.status_code == 200, name
        assert not found_in(readable(page.content.decode())), name


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"encryption": "tls"},
        {"host": "nobody.invalid"},
        {"port": 1},
        {"verify": True, "ca": ""},
        {"do_not_send": True},
    ],
)
def test_no_english_on_any_failure(vietnamese, server, changes):
    store(server, **{"host": "localhost"} | changes)
    send = {"to": "ann@example.com", "profile": "shop", "html": "on", "_send": "x"}
    page = vietnamese.post(url("test"), send, follow=True)
    # What the system's resolver says is shown as it came, like a server's words.
    words = readable(page.content.decode()).replace("Name or service not known", "")
    assert not found_in(words)


def test_remarks_of_the_transport_are_read_in_vietnamese(vietnamese, server):
    store(server, host="localhost", port=1)
    send = {"to": "ann@example.com", "profile": "shop", "html": "on", "_send": "x"}
    page = vietnamese.post(url("test"), send, follow=True).content.decode()
    assert page.count("localhost, cổng 1 từ chối kết nối.") == 2
    assert "refused" not in page


def test_no_english_on_the_empty_list(vietnamese):
    assert not found_in(readable(vietnamese.get(url("changelist")).content.decode()))
    assert not found_in(readable(vietnamese.get(url("test")).content.decode()))


def test_no_english_in_the_test_mail(vietnamese, server):
    store(server, host="localhost")
    send = {"to": "ann@example.com", "profile": "shop", "html": "on", "_send": "x"}
    vietnamese.post(url("test"), send)
    (mail,) = server.mails
    for kind in ("plain", "html"):
        body = mail.parsed.get_body((kind,)).get_content()
        assert not found_in(readable(body)), kind
        assert "Chúc mừng" in body
    assert mail.parsed["Subject"].startswith("Email thử từ ")


def test_providers_speak_vietnamese():
    for provider in providers.all_providers():
        for field in providers.TEXTS:
            text = provider.text(field, "vi")
            assert not text or text != provider.text(field, "en"), (provider.id, field)


def test_catalogue_is_complete():
    catalogue = polib.pofile(str(CATALOGUE))
    assert not catalogue.fuzzy_entries()
    assert not catalogue.untranslated_entries()
    compiled = polib.mofile(str(CATALOGUE.with_suffix(".mo")))
    assert {entry.msgid: entry.msgstr for entry in compiled} == {
        entry.msgid: entry.msgstr for entry in catalogue
    }
