"""What a message becomes on the wire; the caller's object stays as it was."""

from __future__ import annotations

import copy
from email.headerregistry import AddressHeader
from email.utils import formataddr

import django
import pytest

from mailsetup.delivery.compose import AddressNeedsSMTPUTF8Error, compose, new_message_id
from tests.delivery.profiles import SHOP, headers, in_force, mail, parse

modern = pytest.mark.skipif(django.VERSION < (6, 0), reason="needs Django 6.0")


# From and Reply-To


@pytest.mark.parametrize("placeholder", ["webmaster@localhost", "root@localhost", "ROOT@localhost"])
def test_djangos_placeholders_become_the_profiles_address(placeholder):
    envelope = compose(mail(from_email=placeholder), in_force(**SHOP))
    assert envelope.sender == "shop@example.com"
    assert parse(envelope)["From"] == "shop@example.com"
    assert parse(envelope)["Reply-To"] is None


def test_a_placeholder_stays_where_the_profile_knows_no_address():
    envelope = compose(mail(from_email="root@localhost"), in_force(username="ann"))
    assert envelope.sender == "root@localhost"


def test_a_username_that_is_an_address_serves_as_from():
    found = headers(mail(from_email="root@localhost"), from_email="", username="u@example.org")
    assert found["From"] == "u@example.org"


@pytest.mark.parametrize("name", ["Läden", "Cửa hàng “Mây”, Hà Nội", "日本語の店"])
def test_a_name_in_encoded_words_is_read_before_it_is_written_anew(name):
    given = formataddr((name, "ann@example.org"))
    assert "=?" in given
    found = headers(mail(from_email=given), force_from_email=True)
    address = found["From"].addresses[0]
    assert (address.display_name, address.addr_spec) == (name, "shop@example.com")
    found = headers(mail(from_email=given, headers={"From": given}), force_from_email=True)
    assert found["From"].addresses[0].display_name == name


@pytest.mark.parametrize("name", ["=?nonsense?b?w6Q=?=", "=?utf-8?b?*?=", "a =? b"])
def test_a_name_in_words_that_are_none_does_not_keep_the_mail_back(name):
    found = headers(mail(from_email=f"{name} <ann@example.org>"), force_from_email=True)
    assert found["From"].addresses[0].addr_spec == "shop@example.com"


def test_a_from_of_the_app_is_kept_unless_forced():
    found = headers(mail(from_email="Ann <ann@example.com>"))
    assert found["From"] == "Ann <ann@example.com>"
    assert found["Reply-To"] is None


def test_a_forced_address_keeps_the_apps_name_and_becomes_the_way_to_answer():
    message = mail(from_email="Ann <ann@example.com>")
    envelope = compose(message, in_force(**SHOP | {"force_from_email": True}))
    assert envelope.sender == "shop@example.com"
    assert parse(envelope)["From"] == "Ann <shop@example.com>"
    assert parse(envelope)["Reply-To"] == "Ann <ann@example.com>"


@pytest.mark.parametrize(
    ("given", "values", "expected"),
    [
        ("ann@example.com", {"from_name": "Shop"}, "Shop <ann@example.com>"),
        ("Ann <ann@example.com>", {"from_name": "Shop"}, "Ann <ann@example.com>"),
        (
            "Ann <ann@example.com>",
            {"from_name": "Shop", "force_from_name": True},
            "Shop <ann@example.com>",
        ),
        (
            "Ann <ann@example.com>",
            {"from_name": "Shop", "force_from_name": True, "force_from_email": True},
            "Shop <shop@example.com>",
        ),
        ("Ann <ann@example.com>", {"force_from_name": True}, "Ann <ann@example.com>"),
        ("SHOP@example.com", {"force_from_email": True}, "shop@example.com"),
    ],
)
def test_the_from_name_and_what_forces_it(given, values, expected):
    found = headers(mail(from_email=given), **values)
    assert found["From"] == expected


@pytest.mark.parametrize("name", ['Ann "The" Boss, Inc.', "Nguyễn Văn Ế, Ltd", "back\\slash"])
@pytest.mark.parametrize("where", ["message", "profile"])
def test_names_survive_with_all_their_letters(name, where):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    if where == "message":
        found = headers(mail(from_email=f'"{quoted}" <ann@example.com>'), force_from_email=True)
    else:
        found = headers(from_name=name)
    (box,) = found["From"].addresses
    assert box.display_name == name


@pytest.mark.parametrize(
    ("reply_to", "extra", "values", "expected"),
    [
        (["desk@example.com"], {}, {"force_from_email": True}, "desk@example.com"),
        ([], {"Reply-To": "desk@example.com"}, {"force_from_email": True}, "desk@example.com"),
        ([], {}, {"reply_to": "help@example.com"}, "help@example.com"),
        ([], {}, {"reply_to": "help@example.com", "force_from_email": True}, "ann@example.com"),
        (["desk@example.com"], {}, {"reply_to": "help@example.com"}, "desk@example.com"),
    ],
)
def test_who_gets_the_answer(reply_to, extra, values, expected):
    found = headers(mail(reply_to=reply_to, headers=extra), **values)
    assert found["Reply-To"] == expected
    assert len(found.get_all("Reply-To")) == 1


@pytest.mark.parametrize("given", ["root@localhost", "www-data@server1", "Site"])
def test_what_nobody_can_answer_to_is_no_reply_to(given):
    found = headers(mail(from_email=given), force_from_email=True)
    assert found["Reply-To"] is None


def test_a_from_header_of_its_own_leaves_the_envelope_alone():
    message = mail(from_email="bounce@example.com", headers={"From": "ann@example.com"})
    envelope = compose(message, in_force(**SHOP, from_name="Shop"))
    assert envelope.sender == "bounce@example.com"
    assert parse(envelope)["From"] == "Shop <ann@example.com>"


def test_a_from_header_of_its_own_over_a_placeholder():
    message = mail(from_email="webmaster@localhost", headers={"From": "Ann <ann@example.com>"})
    envelope = compose(message, in_force(**SHOP))
    assert envelope.sender == "shop@example.com"
    assert parse(envelope)["From"] == "Ann <ann@example.com>"


def test_forcing_goes_for_a_from_header_too():
    message = mail(from_email="bounce@example.com", headers={"From": "Ann <ann@example.com>"})
    envelope = compose(message, in_force(**SHOP | {"force_from_email": True}))
    assert envelope.sender == "shop@example.com"
    assert parse(envelope)["From"] == "Ann <shop@example.com>"
    assert parse(envelope)["Reply-To"] == "Ann <ann@example.com>"


def test_the_return_path_is_the_envelopes_sender():
    envelope = compose(mail(), in_force(**SHOP, return_path="bounce@example.com"))
    assert envelope.sender == "bounce@example.com"
    assert parse(envelope)["From"] == "ann@example.com"


# Recipients


def test_every_recipient_gets_it_once_and_bcc_is_no_header():
    message = mail(
        to=["Bob <bob@example.com>", "bob@example.com"],
        cc=["cat@example.com"],
        bcc=["dan@example.com", "cat@example.com"],
        headers={"Bcc": "eve@example.com", "bCC": "fay@example.com", "Resent-Bcc": "g@example.com"},
    )
    envelope = compose(message, in_force(**SHOP))
    assert envelope.recipients == ("bob@example.com", "cat@example.com", "dan@example.com")
    for hidden in (b"dan@", b"eve@", b"fay@", b"g@example", b"bcc", b"Bcc"):
        assert hidden not in envelope.content


def test_international_domains_are_encoded():
    envelope = compose(mail(to=["bob@thư.example"]), in_force(**SHOP))
    assert envelope.recipients == ("bob@xn--th-e0a.example",)
    assert b"bob@xn--th-e0a.example" in envelope.content
    assert not envelope.smtputf8


@modern
@pytest.mark.parametrize(
    "values", [{"to": ["ngân@example.com"]}, {"from_email": "ngân@example.com"}]
)
def test_international_local_parts_go_out_as_utf8(values):
    envelope = compose(mail(**values), in_force(**SHOP))
    assert envelope.smtputf8
    assert "ngân@example.com".encode() in envelope.content


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="needs Django 5.2")
@pytest.mark.parametrize(
    "values", [{"to": ["ngân@example.com"]}, {"from_email": "ngân@example.com"}]
)
def test_international_local_parts_are_refused_where_they_cannot_be_written(values):
    with pytest.raises(AddressNeedsSMTPUTF8Error, match=r"ngân@example\.com.*need Django 6\.0"):
        compose(mail(**values), in_force(**SHOP))


@pytest.mark.parametrize("field", ["to", "cc", "bcc", "from_email"])
@pytest.mark.parametrize("character", ["\r", "\n", "\x00", "\x1b", "\x7f"])
def test_control_characters_in_addresses_are_refused(field, character):
    address = f"bob{character}@example.com"
    value = address if field == "from_email" else [address]
    with pytest.raises(ValueError, match=r"control character|newlines"):
        compose(mail(**{field: value}), in_force(**SHOP))


@pytest.mark.parametrize("name", ["Subject", "From", "Reply-To", "X-Any"])
def test_a_line_break_in_a_header_is_refused(name):
    with pytest.raises(ValueError, match=r"\S"):
        compose(mail(headers={name: "a@example.com\r\nBcc: eve@example.com"}), in_force(**SHOP))


@pytest.mark.parametrize("sender", ["nobody <", "<>", "<"])
def test_an_app_that_names_no_sender_is_refused_unless_forced(sender):
    with pytest.raises(ValueError, match=f"Invalid address '{sender}'"):
        compose(mail(from_email=sender), in_force(**SHOP, from_name="Shop"))
    forced = in_force(**SHOP | {"force_from_email": True})
    assert compose(mail(from_email=sender), forced).sender == "shop@example.com"


def test_from_is_one_address_for_a_reader_too():
    value = headers(mail(from_email='"a, b" <ann@example.com>'), force_from_email=True)["From"]
    assert len(AddressHeader.value_parser(str(value)).all_mailboxes) == 1


# Message-ID


def test_the_message_id_is_of_the_senders_domain():
    found = headers()
    assert found["Message-ID"].endswith("@example.com>")
    assert new_message_id("Ann <ann@thư.example>").endswith("@xn--th-e0a.example>")
    assert new_message_id("webmaster").endswith("@localhost>")


@pytest.mark.parametrize("name", ["Message-ID", "message-id", "Message-Id"])
def test_a_message_id_of_the_app_is_kept(name):
    found = headers(mail(headers={name: "<kept@example.com>"}))
    assert found.get_all("Message-ID") == ["<kept@example.com>"]


def test_the_callers_message_is_untouched():
    message = mail(headers={"X-Any": "1", "Bcc": "eve@example.com"}, bcc=["dan@example.com"])
    message.attach("a.txt", "text", "text/plain")
    before = copy.deepcopy(vars(message))
    compose(message, in_force(**SHOP, from_name="Shop", reply_to="help@example.com"))
    after = vars(message)
    assert {name: after[name] for name in before} == before
