"""Addresses for the envelope: bare, checked, with ASCII domains."""

from __future__ import annotations

import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.delivery.addresses import bare_address, envelope_address, mailbox
from mailsetup.models.validators import parse_mailboxes


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann@Example.com", "Ann@Example.com"),
        ("Ann <ann@example.com>", "ann@example.com"),
        ('"Ann, Inc." <ann@example.com>', "ann@example.com"),
        ("Nguyễn Văn Ế <ann@example.com>", "ann@example.com"),
        ("=?utf-8?q?Nguy=E1=BB=85n?= <ann@example.com>", "ann@example.com"),
        ("ann@thư.example", "ann@xn--th-e0a.example"),
        ('"a b"@example.com', '"a b"@example.com'),
        ("webmaster", "webmaster"),
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        (lazystr("ann@example.com"), "ann@example.com"),
    ],
)
def test_an_address_becomes_bare_and_ascii(text, address):
    assert envelope_address(text) == (address, False)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ngân@example.com", "ngân@example.com"),
        ("Ngân <ngân@thư.example>", "ngân@xn--th-e0a.example"),
    ],
)
def test_letters_before_the_at_sign_need_smtputf8(text, address):
    assert envelope_address(text) == (address, True)
    with pytest.raises(ValueError, match="non-ASCII"):
        bare_address(text, force_ascii=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann@",
        "@example.com",
        "ann@example.com, bob@example.com",
        "Ann <ann@example.com",
        "ann@exa mple.com",
        "<",
        "a@[",
        "ann@example.com\n",
        "ann@example.com\r\nRCPT TO:<eve@example.com>",
        "ann\x00@example.com",
        "an\x7fn@example.com",
        "Ann\n <ann@example.com>",
        "ann@ế..example",
    ],
)
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        envelope_address(text)


@given(st.text(alphabet='a@.,<>"()[]:;\\ \t=?_-é\r\n\x00ß', max_size=12))
def test_any_text_is_an_address_or_refused(text):
    try:
        address, _ = envelope_address(text)
    except ValueError:
        return
    assert not {"\r", "\n", "\x00"} & {*address}


@pytest.mark.parametrize(
    "name", ["Ann", "Ann, Inc.", 'The "Best"', "back\\slash", "Nguyễn Ế", "<x>", "a@b"]
)
def test_a_name_in_a_mailbox_comes_back_as_it_was(name):
    ((found, address, _),), defects = parse_mailboxes(mailbox(name, "ann@example.com"))
    assert (found, address, defects) == (name, "ann@example.com", set())


def test_without_a_name_a_mailbox_is_the_address():
    assert mailbox("", "ann@example.com") == "ann@example.com"
