"""Variables are taken raw, and what cannot be used names the variable, never the value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.effective import environment
from mailsetup.effective.environment import FIELDS, colliding_slugs, variable_names

CANARY = "canary-Ế$ecret"


def read(name="shop", **variables):
    return environment.read(name, variables)


def of_shop(**fields):
    return read(**{f"MAILSETUP_SHOP_{name}": value for name, value in fields.items()})


def messages(found) -> str:
    return "\n".join(f"{one.variable}: {one.message}" for one in found.problems)


@pytest.mark.parametrize(
    "password",
    [
        "$ecret",
        "#1",
        '"quoted"',
        "'x'",
        "  blanks at the ends  ",
        "mật khẩu ế",
        "a\\nb",
        "%41",
        " ",
    ],
)
def test_a_password_is_taken_as_it_stands(password):
    assert of_shop(PASSWORD=password).values["password"].reveal() == password


def test_other_values_lose_blanks_around():
    found = of_shop(HOST=" smtp.example.com ", ENCRYPTION=" TLS ", PORT=" 465 ", VERIFY=" No ")
    assert found.values == {
        "host": "smtp.example.com",
        "encryption": "tls",
        "port": 465,
        "verify": False,
    }
    assert not found.problems


def test_no_variable_says_nothing():
    found = read(
        MAILSETUP_OTHER_HOST="smtp.example.com", SHOP_HOST="x", MAILSETUP_SHOPPING_HOST="x"
    )
    assert not found
    assert not found.variables


def test_an_empty_variable_sets_nothing_but_a_username_or_password():
    found = of_shop(HOST="", FROM_NAME="  ", PORT="", USERNAME="", PASSWORD="")
    assert {*found.values} == {"username", "password"}
    assert found.values["username"] == ""
    assert found.values["password"].reveal() == ""


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"one", "one"),
        (b"one\n", "one"),
        (b"one\r\n", "one"),
        (b" one \n", " one "),
        ("mật\n".encode(), "mật"),
        (b"\xef\xbb\xbfone\r\n", "one"),
    ],
)
def test_one_newline_at_the_end_of_a_file_is_left_out(tmp_path, content, secret):
    path = tmp_path / "password"
    path.write_bytes(content)
    found = of_shop(PASSWORD_FILE=str(path), PASSWORD="other")
    assert found.values["password"].reveal() == secret
    assert found.variables["password"] == "MAILSETUP_SHOP_PASSWORD_FILE"


def test_two_newlines_at_the_end_of_a_file_are_a_mistake(tmp_path):
    path = tmp_path / "password"
    path.write_text(f"{CANARY}\n\n")
    found = of_shop(PASSWORD_FILE=str(path))
    assert "password" not in found.values
    assert CANARY not in messages(found)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    no_text = tmp_path / "utf-16"
    no_text.write_bytes(CANARY.encode("utf-16"))
    for path in (tmp_path / "absent", tmp_path, no_text):
        found = of_shop(PASSWORD_FILE=str(path))
        (problem,) = found.problems
        assert problem.variable == "MAILSETUP_SHOP_PASSWORD_FILE"
        assert problem.message.startswith("The file cannot be read: ")
        assert "canary" not in problem.message
        assert found.variables == {"password": "MAILSETUP_SHOP_PASSWORD_FILE"}


def test_a_ca_comes_from_a_file(tmp_path, authority):
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    found = of_shop(CA_FILE=str(path))
    assert not found.problems
    assert found.values["ca"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://mail.example.com", ("mail.example.com", 465, "tls", "none", "", None)),
        ("smtp+starttls://u@h.example", ("h.example", 587, "starttls", "password", "u", None)),
        ("smtp://h.example", ("h.example", 25, "none", "none", "", None)),
        ("smtp://[::1]:2525", ("::1", 2525, "none", "none", "", None)),
        (
            "SMTPS://ann%40example.com:p%40ss%2F%3A%25%E1%BA%BF@H.example:4650/",
            ("h.example", 4650, "tls", "password", "ann@example.com", "p@ss/:%ế"),
        ),
        ("smtps://u:50%off@h.example", ("h.example", 465, "tls", "password", "u", "50%off")),
        ("smtps://u:$ecret@h.example", ("h.example", 465, "tls", "password", "u", "$ecret")),
        ("smtps://u:p+q@h.example", ("h.example", 465, "tls", "password", "u", "p+q")),
    ],
)
def test_a_url_sets_the_fields_it_names(url, expected):
    found = of_shop(URL=url)
    assert not found.problems
    password = found.values.get("password")
    names = ("host", "port", "encryption", "login", "username")
    assert (*map(found.values.get, names), password and password.reveal()) == expected
    assert {*found.variables.values()} == {"MAILSETUP_SHOP_URL"}


def test_a_url_takes_other_fields_after_the_question_mark():
    query = "timeout=30&FROM_EMAIL=shop%40example.com&verify=off&in_flight=20"
    found = of_shop(URL=f"smtps://h.example?{query}")
    assert (found.values["timeout"], found.values["in_flight"]) == (30, 20)
    assert found.values["from_email"] == "shop@example.com"
    assert found.values["verify"] is False


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "https://mail.example.com",
        "smtp+ssl://mail.example.com",
        "smtps://",
        "smtps:///canary",
        "smtps://u:p@:465",
        "smtps://h.example:port",
        "smtps://h.example:70000",
        "smtps://h.example:0",
        "smtps://[::1",
        "smtps://canary:12#34@h.example",
        "smtps://canary:12/34@h.example",
        "smtps://canary:12?34@h.example",
        "smtps://canary@x.example:12#34@h.example",
        "smtps://u:canary%FF@h.example",
        "smtps://u:p@h.example?canary=1",
        "smtps://u:p@h.example?ca=canary",
        "smtps://u:p@h.example?timeout=canary",
        "smtps://u:p@h.example/canary",
        "smtps://u:p@h_example..canary",
        "smtps://u:can%0Aary@h.example",
    ],
)
def test_a_bad_url_is_a_problem_that_repeats_nothing_of_it(url):
    found = of_shop(URL=url)
    assert found.problems
    assert all(one.variable == "MAILSETUP_SHOP_URL" for one in found.problems)
    assert "canary" not in messages(found)
    assert "12" not in messages(found)


def test_a_variable_of_its_own_outranks_the_url():
    found = of_shop(URL="smtps://u:p@h.example", PASSWORD="other", PORT="2525")
    assert found.values["password"].reveal() == "other"
    assert found.values["port"] == 2525
    assert found.variables["port"] == "MAILSETUP_SHOP_PORT"
    assert found.variables["host"] == "MAILSETUP_SHOP_URL"


def test_a_bad_variable_does_not_leave_the_urls_value_in_force():
    found = of_shop(URL="smtps://u:p@h.example", PORT="many")
    assert "port" not in found.values
    assert found.variables["port"] == "MAILSETUP_SHOP_PORT"
    assert messages(found) == "MAILSETUP_SHOP_PORT: Use a number from 1 to 65535."


@pytest.mark.parametrize("text", ["1", "TRUE", "yes", "on"])
def test_booleans_that_are_true(text):
    assert of_shop(VERIFY=text, DO_NOT_SEND=text).values == {"verify": True, "do_not_send": True}


@pytest.mark.parametrize("text", ["0", "False", "NO", "off"])
def test_booleans_that_are_false(text):
    assert of_shop(ACTIVE=text).values == {"active": False}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("VERIFY", "canary"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "canary"),
        ("TIMEOUT", "301"),
        ("TIMEOUT", "1.5"),
        ("IN_FLIGHT", "0"),
        ("IN_FLIGHT", "51"),
        ("IN_FLIGHT", "canary"),
        ("ENCRYPTION", "ssl"),
        ("LOGIN", "oauth-canary"),
        ("HOST", "smtp://canary.example"),
        ("HOST", "canary.example:587"),
        ("HOST", "canary@example.com"),
        ("FROM_EMAIL", "canary"),
        ("REPLY_TO", "Ann <canary@example.com>"),
        ("RETURN_PATH", "<"),
        ("EHLO_NAME", "canary example"),
        ("CA", "canary"),
        ("FROM_NAME", "canary\nBcc: x@example.com"),
        ("USERNAME", "canary\x7f"),
        ("PASSWORD", "canary\x00"),
        ("PASSWORD", "canary\udcff"),
    ],
)
def test_a_value_that_cannot_be_used_names_the_variable_only(field, value):
    found = of_shop(**{field: value})
    (problem,) = found.problems
    assert problem.variable == f"MAILSETUP_SHOP_{field}"
    assert problem.field == field.lower()
    assert "canary" not in problem.message
    assert problem.message.endswith(".")
    assert field.lower() not in found.values
    assert found.variables == {field.lower(): f"MAILSETUP_SHOP_{field}"}


@pytest.mark.parametrize(
    ("slug", "variable"),
    [("my-shop", "MAILSETUP_MY_SHOP_HOST"), ("Shop2", "MAILSETUP_SHOP2_HOST")],
)
def test_a_variables_name_comes_from_the_profiles(slug, variable):
    assert variable in variable_names(slug)
    assert read(slug, **{variable: "h.example"}).values == {"host": "h.example"}


def test_every_field_has_its_variable():
    names = variable_names("x")
    assert {f"MAILSETUP_X_{name.upper()}" for name in FIELDS} < names
    assert names - {f"MAILSETUP_X_{name.upper()}" for name in FIELDS} == {
        "MAILSETUP_X_URL",
        "MAILSETUP_X_PASSWORD_FILE",
        "MAILSETUP_X_CA_FILE",
    }


@pytest.mark.parametrize(
    ("slugs", "pairs"),
    [
        (["shop", "news"], []),
        (["a-b", "a_b"], [("a-b", "a_b")]),
        (["shop", "Shop"], [("Shop", "shop")]),
        (["a", "a-force"], [("a", "a-force")]),
        (["a", "a-from"], []),
    ],
)
def test_names_that_share_a_variable_are_found(slugs, pairs):
    assert colliding_slugs(slugs) == pairs


@given(st.text(alphabet='canry@:/?#[]%&=.<>"() \t\r\nế\x00\udc80+-1', max_size=30), st.booleans())
def test_no_value_brings_the_reading_down(text, in_url):
    value = f"smtps://{text}" if in_url else text
    names = ["URL"] if in_url else [name.upper() for name in FIELDS]
    found = of_shop(**dict.fromkeys(names, value))
    assert all(one.message and one.variable for one in found.problems)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("HOST", "smtp://canary", "type the server's name alone, such as smtp.example.com"),
        ("HOST", "canary:587", "type the server's name alone, such as smtp.example.com"),
        ("FROM_EMAIL", "canary", "type an email address such as shop@example.com"),
        ("REPLY_TO", "canary", "type an email address such as shop@example.com"),
    ],
)
def test_a_value_of_no_use_is_answered_with_what_would_serve(field, value, words):
    environ = {f"MAILSETUP_DEFAULT_{field}": value}
    (problem,) = environment.read("default", environ).problems
    assert problem.variable == f"MAILSETUP_DEFAULT_{field}"
    assert words in problem.message
    assert "canary" not in problem.message


def test_a_password_is_not_shown():
    found = of_shop(PASSWORD=CANARY, URL=f"smtps://u:{CANARY}@h.example")
    assert "canary" not in repr(found)
