"""What an administrator may type, and what a wrong value is answered with."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.models import validators
from mailsetup.smtp.account import Account

ODD = st.text(alphabet='a@.,<>"()[]:;\\ \t=?_-+1é\r\n\x00\u2028', max_size=14)


def error(validate, value) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        validate(value)
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "smtp.gmail.com",
        "smtp.gmail.com.",
        "localhost",
        "mail_1.example.com",
        "thư.example.vn",
        "xn--th-e0a.example.vn",
        "192.0.2.1",
        "::1",
        "2001:db8::25",
        "fe80::1%eth0",
        "A" * 63 + ".example.com",
    ],
)
def test_hosts_that_are_taken(host):
    validators.validate_host(host)
    Account(host=host).check()


@pytest.mark.parametrize(
    ("host", "code", "says"),
    [
        ("smtp://smtp.gmail.com", "host_scheme", "smtp.gmail.com"),
        ("https://ann:secret@mail.example.com:465/x", "host_scheme", "mail.example.com"),
        ("smtp.gmail.com:587", "host_port", "587"),
        ("smtp. gmail.com", "host_blank", "no blanks"),
        (" smtp.gmail.com", "host_blank", "no blanks"),
        ("ann@gmail.com", "host_address", "smtp.gmail.com"),
        ("[::1]", "host_brackets", "without brackets"),
        ("[2001:db8::25]:587", "host_brackets", "“Port”"),
        ("[::1", "host_brackets", "without brackets"),
        ("smtp.gmail.com\n", "control_character", "U+000A"),
        ("smtp.gmail.com\x00", "control_character", "U+0000"),
        ("smtp\x7f.gmail.com", "control_character", "U+007F"),
        ("smtp\x85.gmail.com", "control_character", "U+0085"),
        ("smtp\u2028.gmail.com", "control_character", "U+2028"),
        ("smtp..gmail.com", "host_invalid", "IP address"),
        ("-smtp.gmail.com", "host_invalid", "IP address"),
        ("smtp.gmail.com/", "host_invalid", "IP address"),
        ("256.256.256.256", "host_invalid", "IP address"),
        ("2130706433", "host_invalid", "IP address"),
        ("127.1", "host_invalid", "IP address"),
        ("fe80::1%[", "host_invalid", "IP address"),
        ("127.0.0.1%1", "host_invalid", "IP address"),
        ("a" * 64 + ".com", "host_invalid", "IP address"),
        (".".join(["a" * 60] * 5), "host_invalid", "IP address"),
        ("smtps://", "host_invalid", "IP address"),
    ],
)
def test_a_wrong_host_is_told_what_to_type(host, code, says):
    found = error(validators.validate_host, host)
    assert found.code == code
    assert says in found.messages[0]
    assert "secret" not in found.messages[0]


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "Ngân.Đỗ@example.com",
        "ann@thư.example.vn",
        '"a b"@example.com',
        "a+b@localhost",
        "ann@[192.0.2.1]",
    ],
)
def test_addresses_that_are_taken(address):
    validators.validate_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@example..com",
        "Ann <ann@example.com>",
        "<ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@exa mple.com",
        "ann@example.com;",
        "ann@example.com\r\nBcc: x@example.com",
        "ann@example.com\x00",
        "<",
        "a@[",
        ".<1",
        " :;1",
        " .;",
    ],
)
def test_what_is_no_bare_address_is_refused(address):
    assert error(validators.validate_address, address).code in {
        "address_invalid",
        "control_character",
    }


@pytest.mark.parametrize("name", ["www.example.com", "localhost", "[192.0.2.1]", "[IPv6:::1]"])
def test_ehlo_names_that_are_taken(name):
    validators.validate_ehlo_name(name)
    Account(host="smtp.example.com", ehlo_name=name).check()


@pytest.mark.parametrize(
    "name", ["two words", "[nonsense]", "a..b", "x\r\nMAIL", "<x>", "ế.vn", "::1"]
)
def test_other_ehlo_names_are_refused(name):
    assert error(validators.validate_ehlo_name, name).code in {"ehlo_invalid", "control_character"}


def test_certificates_are_taken(authority):
    pem = authority.cert_pem.bytes().decode()
    validators.validate_ca(pem)
    validators.validate_ca(pem + "\n" + pem)


@pytest.mark.parametrize("text", ["x", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_refused(text):
    assert error(validators.validate_ca, text).code == "ca_invalid"


def test_a_certificate_cut_off_is_refused(authority):
    pem = authority.cert_pem.bytes().decode()
    for cut in (pem[:-30], pem + pem[:200]):
        assert error(validators.validate_ca, cut).code in {"ca_cut", "ca_invalid"}
    assert error(validators.validate_ca, pem + pem[:200]).code == "ca_cut"


def test_a_private_key_is_refused(authority):
    certificate = authority.issue_cert("localhost")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    both = authority.cert_pem.bytes() + key
    assert error(validators.validate_ca, both.decode()).code == "ca_private_key"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost", "127.8.0.1", "::1"])
def test_hosts_that_are_this_computer(host):
    assert validators.is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "192.0.2.1", "0.0.0.0", "::2", "127.1"])
def test_hosts_that_are_not_this_computer(host):
    assert not validators.is_loopback(host)


@given(ODD)
def test_whatever_is_typed_gets_an_answer(text):
    for validate in (
        validators.validate_host,
        validators.validate_address,
        validators.validate_ehlo_name,
        validators.validate_ca,
    ):
        try:
            validate(text)
        except ValidationError as found:
            assert str(found.messages[0])  # noqa: PT017 - each of many may or may not raise


@given(st.text(alphabet="a.-_:1[]ếß%\u200b\u3002", min_size=1, max_size=12))
def test_a_host_that_is_taken_can_be_connected_to(text):
    try:
        validators.validate_host(text)
    except ValidationError:
        return
    Account(host=text).check()


@given(st.text(alphabet="a.-_:1[]ế%IPv6", min_size=1, max_size=12))
def test_an_ehlo_name_that_is_taken_can_be_said(text):
    try:
        validators.validate_ehlo_name(text)
    except ValidationError:
        return
    Account(host="localhost", ehlo_name=text).check()


@pytest.mark.parametrize("name", ["shop", "News-2", "a_b", "-"])
def test_name_is_accepted(name):
    validators.validate_name(name)


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("My Shop!", "my-shop"),
        ("Đơn hàng", "don-hang"),
        ("!!", "shop"),
        ("магазин", "shop"),
        ("a " * 60, "a-" * 24 + "a"),
    ],
)
def test_name_that_is_none_is_answered_with_one_to_type(name, example):
    sentence = error(validators.validate_name, name).messages[0]
    assert sentence.endswith(f"Type, for example: {example}")
    validators.validate_name(example)


def test_name_with_a_control_character_is_refused_as_elsewhere():
    assert error(validators.validate_name, "shop\n").code == "control_character"
