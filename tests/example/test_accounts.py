"""Signing in and resetting a password, by django.contrib.auth with the site's own pages."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from tests.example import failing

pytestmark = pytest.mark.django_db


def test_sign_in_and_sign_out(client, visitor):
    response = client.post(
        reverse("login"), {"username": "vi", "password": "a visitor's word"}, follow=True
    )
    assert response.redirect_chain == [("/", 302)]
    assert "Sign out" in response.content.decode()
    client.post(reverse("logout"))
    assert "_auth_user_id" not in client.session


def test_wrong_password_is_told_with_an_alert(client, visitor):
    response = client.post(reverse("login"), {"username": "vi", "password": "guess"})
    assert 'role="alert"' in response.content.decode()


def test_reset_by_mail_leads_to_a_new_password(client, visitor):
    response = client.post(reverse("password_reset"), {"email": visitor.email}, follow=True)
    assert "Look into your inbox" in response.content.decode()

    (message,) = mail.outbox
    assert message.subject == "Choose a new password for Mây Tea"
    html, kind = message.alternatives[0]
    assert kind == "text/html"
    link = re.search(r"http://testserver(/\S+)", message.body)[1]
    assert f'href="http://testserver{link}"' in html

    form = client.get(link, follow=True)
    new = {"new_password1": "higher than clouds", "new_password2": "higher than clouds"}
    done = client.post(form.redirect_chain[-1][0], new, follow=True)
    assert "Your password is changed" in done.content.decode()
    assert client.login(username="vi", password="higher than clouds")

    again = client.get(link, follow=True)
    assert "This link no longer works" in again.content.decode()


@pytest.mark.parametrize("server", ["up", "down"])
def test_reset_tells_nobody_whether_the_account_exists(client, visitor, settings, server):
    if server == "down":
        failing.use(settings, failing.Down)
    known = client.post(reverse("password_reset"), {"email": visitor.email})
    unknown = client.post(reverse("password_reset"), {"email": "nobody@example.com"})

    assert known.status_code == unknown.status_code == 302
    assert known.headers["Location"] == unknown.headers["Location"]
    assert len(mail.outbox) == (1 if server == "up" else 0)


def test_admin_sign_in_offers_the_reset(client):
    assert reverse("admin_password_reset") in client.get("/admin/login/").content.decode()
    response = client.get(reverse("admin_password_reset"))
    assert response.headers["Location"] == reverse("password_reset")
