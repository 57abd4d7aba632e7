"""The pages on an ``AdminSite`` of the site's own, at an address of its own."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from mailsetup.models import ProfileState, State
from tests import mails
from tests.admin.conftest import text, typed
from tests.backend_servers import PASSWORD


@pytest.fixture(autouse=True)
def _office(settings):
    settings.ROOT_URLCONF = "tests.admin.office"


def address(page, *args):
    return reverse(f"admin:mailsetup_smtpprofile_{page}", args=args, current_app="office")


@pytest.mark.parametrize("page", ["changelist", "add", "change", "test", "history"])
def test_links_stay_on_the_site(client, profile, page):
    args = [profile.pk] if page in {"change", "history"} else []
    response = client.get(address(page, *args))
    links = re.findall(r'(?:href|action)="(/[^"]*)"', response.content.decode())
    assert len(links) > 5
    # "/" is the stock link to the site itself.
    strange = [link for link in links if not link.startswith(("/office/", "/static/"))]
    assert set(strange) <= {"/"}


@pytest.mark.parametrize("page", ["changelist", "change", "resend", "cancel", "history"])
def test_links_of_the_log_stay_on_the_site(client, db, page):
    row = mails.mail(State.FAILED, mails.octets(), needs_attention=True)
    args = [] if page == "changelist" else [row.pk]
    name = f"admin:mailsetup_message_{page}"
    response = client.get(reverse(name, args=args, current_app="office"))
    links = re.findall(r'(?:href|action|src)="(/[^"]*)"', response.content.decode())
    assert len(links) > 5
    strange = [link for link in links if not link.startswith(("/office/", "/static/"))]
    assert set(strange) <= {"/"}


def test_log_alone_shows_what_there_are_pages_for(client, profile, settings):
    settings.ROOT_URLCONF = "tests.admin.log_office"
    until = timezone.now() + timedelta(hours=2)
    ProfileState.objects.create(slug="shop", held_until=until, held_reason="The quota.")
    row = mails.mail(State.QUEUED, needs_attention=True)
    for page, args in (("changelist", []), ("change", [row.pk])):
        name = f"admin:mailsetup_message_{page}"
        response = client.get(reverse(name, args=args, current_app="office"))
        assert "waits for another" in text(response)
        assert "/resume/" not in response.content.decode()
        assert "/smtpprofile/" not in response.content.decode()


def test_mail_on_the_site_leads_to_its_profile_and_resumes_it(client, profile):
    until = timezone.now() + timedelta(hours=2)
    ProfileState.objects.create(slug="shop", held_until=until, held_reason="The quota.")
    row = mails.mail(State.QUEUED)
    page = reverse("admin:mailsetup_message_change", args=[row.pk], current_app="office")
    shown = client.get(page).content.decode()
    assert f'href="{address("change", profile.pk)}"' in shown
    assert f'action="{address("resume")}"' in shown
    response = client.post(address("resume"), {"profile": "shop", "next": page}, follow=True)
    assert response.redirect_chain == [(page, 302)]
    assert "waits for another" not in text(response)


def test_flow_from_typed_values_to_the_saved_profile(client, server):
    data = typed(**server.settings | {"host": "localhost"}, password=PASSWORD, slug="")
    response = client.post(address("add"), data | {"_savetest": "x"}, follow=True)
    assert response.redirect_chain[-1][0] == "/office/mailsetup/smtpprofile/test/?profile=mail"
    data = {"to": "ann@example.com", "profile": "mail", "_send": "x"}
    page = text(client.post(address("test"), data, follow=True))
    assert "was sent successfully!" in page
    assert len(server.mails) == 1
