"""The listening itself: it hears what a page says, in whatever writing."""

import base64

import pytest

from tests.browser.steps import save_account
from tests.browser.wire import forms


def test_wire_hears_the_username_that_a_page_shows(visit, site):
    window = visit()
    save_account(window, site)
    assert site.wire.found([site.username]) == [site.username]
    assert site.wire.found(["said by no page"]) == []


@pytest.mark.parametrize("before", ["", "\0", "user\0", "user name\0"])
def test_a_secret_is_recognised_inside_base64(before):
    secret = "canary-ẾỐ&<'7f3a"
    encoded = base64.b64encode(f"{before}{secret}".encode())
    assert any(form in encoded for form in forms(secret))
