"""The error pages, and the mail that the administrators get."""

import pytest
from django.core import mail
from django.urls import reverse

from tests.example import failing

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(client, staff):
    """Return a staff member's browser, which gets the page that a visitor would get."""
    client.force_login(staff)
    client.raise_request_exception = False
    return client


def test_failing_page_mails_the_admins_and_shows_a_calm_page(clerk):
    response = clerk.post(reverse("raise-error"))

    assert response.status_code == 500
    page = response.content.decode()
    assert "Something went wrong" in page
    assert "RuntimeError" not in page
    (message,) = mail.outbox
    assert message.to == ["ann@example.com"]
    assert message.subject.startswith("[Mây Tea] ERROR")
    assert "raised on purpose" in message.body


@pytest.mark.parametrize("backend", [failing.Down, failing.Misconfigured])
def test_failing_error_mail_does_not_fail_the_error_page(clerk, settings, backend):
    failing.use(settings, backend)
    response = clerk.post(reverse("raise-error"))
    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


def test_only_staff_may_raise_an_error(client, visitor):
    for _ in ("anonymous", "signed in"):
        response = client.post(reverse("raise-error"))
        assert response.status_code == 302
        assert response.headers["Location"].startswith(reverse("login"))
        client.force_login(visitor)
    assert mail.outbox == []


def test_raising_an_error_takes_a_post(clerk):
    assert clerk.get(reverse("raise-error")).status_code == 405


def test_steps_for_staff_are_shown_to_staff_only(client, visitor, staff):
    for user, shown in ((None, False), (visitor, False), (staff, True)):
        if user:
            client.force_login(user)
        page = client.get("/").content.decode()
        assert (reverse("raise-error") in page) is shown
        assert (reverse("admin:app_list", args=["mailsetup"]) in page) is shown


def test_unknown_address_gets_the_sites_page(client):
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "This page does not exist" in response.content.decode()


@pytest.mark.parametrize("address", ["/", "/sign-in/", "/nowhere/", "/admin/login/"])
def test_every_page_carries_the_strict_policy(client, address):
    policy = client.get(address).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
