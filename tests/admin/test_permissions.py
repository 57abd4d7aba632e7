"""Who may open what: a table of all addresses, made from the URL resolver."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from mailsetup.models import ProfileState, ProfilesVersion, SMTPProfile
from tests.admin.conftest import CANARY, person, text, typed, url

PERMISSIONS = ["view", "add", "change", "delete", "test"]
# Who gets what, by the last part of an address's name: the answer to GET, then to POST. Staff
# that is not named is refused; nobody else gets beyond the sign-in page.
TABLE = {
    "changelist": {"view": (200, 200), "change": (200, 200)},
    "add": {"add": (200, 200)},
    "change": {"view": (200, 403), "change": (200, 200)},
    "delete": {"delete": (200, 302)},
    "history": {"view": (200, 200), "change": (200, 200)},
    "test": {"test": (200, 200)},
    "import": {"add": (405, 302)},
    "resume": {"change": (405, 302)},
    # The address of an object alone, which Django sends on to its form.
    None: dict.fromkeys([*PERMISSIONS, ""], (302, 302)),
}


def pages():
    found = {}
    for pattern in admin.site._registry[SMTPProfile].get_urls():
        name = pattern.name and pattern.name.removeprefix("mailsetup_smtpprofile_")
        found[name] = "<path:object_id>" in str(pattern.pattern)
    return found


def address(name, row):
    if name is None:
        return url("change", row.pk).removesuffix("change/")
    return url(name, row.pk) if pages()[name] else url(name)


def test_table_has_every_address():
    assert set(pages()) == set(TABLE)


@pytest.mark.parametrize("name", list(TABLE), ids=str)
@pytest.mark.parametrize("who", ["nobody", "user", "", *PERMISSIONS])
def test_each_address_by_each_user(profile, name, who):
    if who == "nobody":
        client = Client()
    else:
        client = person(*([who] if who in PERMISSIONS else []), staff=who != "user")
    target = address(name, profile)
    answers = [client.get(target).status_code]
    data = {"post": "yes"} if name == "delete" else {}
    response = client.post(target, data)
    answers.append(response.status_code)
    if who in {"nobody", "user"}:
        assert answers == [302, 302]
        assert reverse("admin:login") in response.url
    else:
        assert tuple(answers) == TABLE[name].get(who, (403, 403))


@pytest.mark.parametrize("name", list(TABLE), ids=str)
def test_get_changes_nothing(client, profile, name):
    def everything():
        models = (SMTPProfile, ProfileState, ProfilesVersion, LogEntry)
        return [list(model.objects.order_by("pk").values()) for model in models]

    before = everything()
    target = address(name, profile)
    for query in ("", "?_test=x&_send=x&_check=x&_fill=x&to=a@example.com&profile=shop"):
        client.get(target + query)
    assert everything() == before


@pytest.mark.parametrize("name", list(TABLE), ids=str)
def test_post_without_token_is_refused(administrator, profile, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    assert client.post(address(name, profile)).status_code in {302, 403} - (
        set() if name is None else {302}
    )


def test_values_are_tested_by_those_who_may_change_and_test(profile):
    data = typed(profile, _test="x")
    assert person("change", "view").post(url("change", profile.pk), data).status_code == 403
    assert person("test", "view").post(url("change", profile.pk), data).status_code == 403
    assert person("change", "test").post(url("change", profile.pk), data).status_code == 302
    assert person("change", "test").post(url("add"), data).status_code == 403


def test_filling_in_needs_the_permission_to_change(profile):
    data = typed(profile, provider="gmail", _fill="x")
    assert person("view").post(url("change", profile.pk), data).status_code == 403
    assert person("view").post(url("add"), data).status_code == 403


def test_right_lost_meanwhile_ends_a_draft(profile):
    from django.contrib.auth.models import Permission, User

    client = person("change", "test")
    response = client.post(url("change", profile.pk), typed(profile, _test="x"))
    user = User.objects.get()
    user.user_permissions.remove(Permission.objects.get(codename="change_smtpprofile"))
    assert client.get(response.url).status_code == 403


def test_who_may_only_test_finds_the_way(profile):
    client = person("test")
    page = client.get(reverse("admin:app_list", args=["mailsetup"]))
    assert url("test") in page.content.decode()
    page = client.get(url("test"))
    assert page.status_code == 200
    assert f'href="{url("changelist")}"' not in page.content.decode()


def test_who_may_not_test_sees_no_link_to_it(profile):
    client = person("view", "change")
    for page in (url("changelist"), url("change", profile.pk), "/admin/mailsetup/"):
        content = client.get(page).content.decode()
        assert url("test") not in content
        assert 'name="_test"' not in content


def test_who_may_only_look_sees_the_values_in_force(profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "mail.environment.example")
    page = person("view").get(url("change", profile.pk))
    assert "mail.environment.example" in text(page)
    assert CANARY not in page.content.decode()
    assert 'name="host"' not in page.content.decode()


def test_profile_that_does_not_exist_is_told(client, db):
    response = client.get(url("change", 4711), follow=True)
    assert "exist. Perhaps it was deleted?" in text(response)
    assert client.post(url("change", 4711), typed(_test="x")).status_code == 302
