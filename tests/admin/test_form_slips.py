"""What the form of a profile saves and most likely is a slip: it is told, and only that."""

import pytest

from mailsetup.models import SMTPProfile
from tests.admin.conftest import messages
from tests.admin.test_form import add


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"port": "465", "encryption": "starttls"}, "Port 465 wants TLS from the start."),
        ({"port": "587", "encryption": "tls"}, "Port 587 wants STARTTLS"),
        ({"port": "25", "encryption": "tls"}, "Port 25 wants STARTTLS"),
        ({"username": "ann lee@example.com"}, "a blank in the username"),
        ({"provider": "gmail", "host": "", "password": "abcdefghijklmno"}, "has 16 letters"),
        ({"provider": "gmail", "host": "", "password": "correct horse 12"}, "has 16 letters"),
    ],
)
def test_what_is_most_likely_a_slip_is_saved_and_told(client, values, words):
    response = add(client, **values)
    assert SMTPProfile.objects.exists()
    assert any(words in message for message in messages(response))


@pytest.mark.parametrize(
    "values",
    [
        {"port": "465", "encryption": "tls"},
        {"port": "2525", "encryption": "tls"},
        {"username": r"DOMAIN\ann lee"},
        {"username": "ann lee@example.com", "login": "none"},
        {"provider": "gmail", "host": "", "password": "abcdefghijklmnop"},
    ],
)
def test_what_may_well_be_meant_is_saved_without_a_word(client, values):
    said = " ".join(messages(add(client, **values)))
    assert "wants" not in said
    assert "blank in the username" not in said
    assert "letters" not in said
