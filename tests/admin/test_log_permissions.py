"""Who may open what of the mail log: a table of all addresses, made from the URL resolver."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from mailsetup.models import Attempt, Message, ProfileState, State
from tests import mails

PERMISSIONS = ["add", "change", "delete", "preview", "reveal", "resend", "export", "purge"]
# The answers to GET and POST: by what is needed besides *view*. Who lacks it is refused.
TABLE = {
    "changelist": {"": (200, 200)},
    "add": {},
    "change": {"": (200, 403)},
    "delete": {},
    "history": {"": (200, 200)},
    "preview": {"preview": (200, 405)},
    "reveal": {"reveal": (405, 302)},
    "attachment": {"reveal": (405, 200)},
    "eml": {"export reveal": (405, 200)},
    "resend": {"resend": (200, 302)},
    "cancel": {"resend": (200, 302)},
    "send_now": {"resend": (405, 302)},
    "dealt_with": {"change": (405, 302)},
    "export": {"export": (405, 200)},
    "purge": {"purge": (200, 200)},
    # The address of an object alone, which Django sends on.
    None: {"anybody": (302, 302)},
}
REFUSED = (403, 403)


def pages():
    found = {}
    for pattern in admin.site._registry[Message].get_urls():
        name = pattern.name and pattern.name.removeprefix("mailsetup_message_")
        found[name] = "object_id" in str(pattern.pattern)
    return found


def url(name, *args):
    return reverse(f"admin:mailsetup_message_{name}", args=args)


def address(name, row):
    if name is None:
        return url("change", row.pk).removesuffix("change/")
    return url(name, row.pk) if pages()[name] else url(name)


def person(*permissions, staff=True):
    """Return a client signed in as somebody with these permissions on mails."""
    user = User.objects.create_user(f"user{User.objects.count()}", is_staff=staff)
    names = [f"{name}_message" for name in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def row(db):
    return mails.mail(State.FAILED, mails.octets(), needs_attention=True)


def answers(client, name, row):
    target = address(name, row)
    get = client.get(target)
    post = client.post(target, {"part": "1"})
    return (get.status_code, post.status_code)


def expected(name, held):
    """Return what the table says for somebody with these permissions."""
    if "anybody" in TABLE[name]:
        return TABLE[name]["anybody"]
    for needed, codes in TABLE[name].items():
        if "view" in held and set(needed.split()) <= set(held):
            return codes
    if name in {"reveal", "attachment", "eml", "send_now", "dealt_with", "export"}:
        # Which method an address takes is no secret, and asked first.
        return (405, 403)
    return (403, 405) if name == "preview" else REFUSED


def test_table_has_every_address():
    assert set(pages()) == set(TABLE)


@pytest.mark.parametrize("name", list(TABLE), ids=str)
@pytest.mark.parametrize("held", [(), *[(each,) for each in ["view", *PERMISSIONS]]], ids=str)
def test_each_address_by_each_permission_alone(row, name, held):
    assert answers(person(*held), name, row) == expected(name, held)


@pytest.mark.parametrize("name", list(TABLE), ids=str)
@pytest.mark.parametrize("held", [*PERMISSIONS, "export reveal"], ids=str)
def test_each_address_by_each_permission_with_view(row, name, held):
    held = ("view", *held.split())
    assert answers(person(*held), name, row) == expected(name, held)


@pytest.mark.parametrize("name", list(TABLE), ids=str)
@pytest.mark.parametrize("who", ["nobody", "user"])
def test_who_is_no_staff_is_sent_to_sign_in(row, name, who):
    client = Client() if who == "nobody" else person("view", "reveal", staff=False)
    target = address(name, row)
    for response in (client.get(target), client.post(target)):
        assert response.status_code == 302
        assert reverse("admin:login") in response.url


def everything():
    models = (Message, Attempt, ProfileState, LogEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.mark.parametrize("state", [State.FAILED, State.QUEUED])
@pytest.mark.parametrize("name", list(TABLE), ids=str)
def test_get_changes_nothing(client, db, name, state):
    row = mails.mail(state, mails.octets(), needs_attention=True)
    before = everything()
    for query in ("", "?part=1&to=a@example.com&confirmed=yes&action=cancel_selected"):
        client.get(address(name, row) + query)
    assert everything() == before


@pytest.mark.parametrize("name", list(TABLE), ids=str)
def test_post_without_token_is_refused(administrator, row, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    before = everything()
    assert client.post(address(name, row)).status_code in {302 if name is None else 403, 403}
    assert everything() == before


ACTIONS = {
    "resend_selected": "resend",
    "send_now_selected": "resend",
    "cancel_selected": "resend",
    "deal_with_selected": "change",
}


def test_all_actions_of_the_list_are_known():
    assert set(ACTIONS) == set(admin.site._registry[Message].actions)


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("held", ["", *PERMISSIONS])
def test_each_action_of_the_list_needs_its_permission(db, name, held):
    failed = mails.mail(State.FAILED, mails.octets(), needs_attention=True)
    waiting = mails.mail(State.QUEUED, mails.octets())
    before = everything()
    client = person("view", held)
    data = {"action": name, "_selected_action": [failed.pk, waiting.pk], "confirmed": "yes"}
    client.post(url("changelist"), data)
    changed = everything() != before
    assert changed == (held == ACTIONS[name])


def test_list_shows_no_log_to_who_may_only_see_profiles(row, django_user_model):
    user = django_user_model.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_smtpprofile"))
    client = Client()
    client.force_login(user)
    assert client.get(url("changelist")).status_code == 403
    page = client.get(reverse("admin:index")).content.decode()
    assert url("changelist") not in page
    assert "nobody has dealt with" not in page
