"""System checks: each id, with and without a database, and for deployment."""

from __future__ import annotations

import django
import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.test import utils as test_utils
from django.utils import translation

from mailsetup import checks, effective, vault
from mailsetup.models import Message, SMTPProfile

OURS = "mailsetup.backends.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
pytestmark = pytest.mark.filterwarnings("ignore:The EMAIL_")


def run(databases=None, deploy=False):
    found = run_checks(databases=databases, include_deployment_checks=deploy)
    return [one for one in found if str(one.id).startswith("mailsetup.")]


def ids(**options):
    return sorted(one.id.removeprefix("mailsetup.") for one in run(**options))


def everything():
    return ids(databases=["default"], deploy=True)


def profile(slug="shop", password="p", **values):
    values = {"host": "smtp.example.com", "username": "ann"} | values
    row = SMTPProfile(slug=slug, **values)
    row.set_password(password)
    row.save()
    return row


@pytest.mark.django_db
def test_a_sound_site_has_nothing_to_hear(safe):
    profile()
    assert everything() == []
    assert ids() == []


@pytest.mark.django_db
def test_e001_two_names_of_one_variable(safe):
    profile("a-b")
    profile("a_b")
    (found,) = run(databases=["default"])
    assert found.id == "mailsetup.E001"
    assert "“a-b” and “a_b”" in found.msg or "“a_b” and “a-b”" in found.msg
    assert ids() == []


@pytest.mark.django_db
def test_e001_a_name_that_hears_the_defaults_variables(safe):
    profile("shop")
    profile("Default")
    assert everything() == ["E001"]
    SMTPProfile.objects.filter(slug="shop").delete()
    # Now it is the default itself.
    assert everything() == []


def test_e002_a_variable_that_cannot_be_used(safe, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "canary")
    (found,) = run()
    assert found.id == "mailsetup.E002"
    assert found.msg == "MAILSETUP_DEFAULT_PORT: Use a number from 1 to 65535."


@pytest.mark.django_db
def test_e002_is_told_once(safe, monkeypatch):
    profile()
    profile("news")
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "canary")
    monkeypatch.setenv("MAILSETUP_NEWS_TIMEOUT", "canary")
    found = run(databases=["default"])
    assert sorted(one.id.removeprefix("mailsetup.") for one in found) == ["E002", "E002", "W001"]
    told = [one.msg for one in found if one.id == "mailsetup.E002"]
    assert {one.split(":")[0] for one in told} == {
        "MAILSETUP_DEFAULT_PORT",
        "MAILSETUP_NEWS_TIMEOUT",
    }
    assert "canary" not in "".join(one.msg for one in found)


@pytest.mark.django_db
def test_e002_a_row_spoilt_past_the_form(safe):
    row = profile()
    profile("news")
    SMTPProfile.objects.filter(slug="news").update(host="smtp://x")
    found = run(databases=["default"])
    # Not that its password does not open: with the host back, it does.
    assert [one.id for one in found] == ["mailsetup.E002"]
    assert found[0].msg.startswith("news: ")
    assert row.slug not in found[0].msg


@pytest.mark.django_db
def test_e002_is_not_followed_by_a_password_to_enter_again(safe, monkeypatch):
    profile()
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "canary")
    assert ids(databases=["default"]) == ["E002", "W001"]


def test_e003_a_key_that_is_none(safe):
    safe.MAILSETUP_KEYS = ["canary"]
    (found,) = run()
    assert found.id == "mailsetup.E003"
    assert "Key 1" in found.msg
    assert "canary" not in found.msg


@pytest.mark.django_db
def test_w001_no_profile_and_nothing_else(safe):
    assert ids() == []
    (found,) = run(databases=["default"])
    assert found.id == "mailsetup.W001"
    assert "in the admin" in found.msg


@pytest.mark.django_db
def test_w001_a_default_that_cannot_send(safe):
    row = profile()
    SMTPProfile.objects.filter(pk=row.pk).update(active=False)
    (found,) = run(databases=["default"])
    assert found.id == "mailsetup.W001"
    assert "switched off" in found.msg


@pytest.mark.django_db
def test_w001_is_content_with_an_account_of_the_environment(safe, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", "smtps://u:p@smtp.example.com")
    assert everything() == []


def test_w002_keys_that_are_only_derived(safe):
    safe.MAILSETUP_KEYS = []
    assert ids() == []
    (found,) = run(deploy=True)
    assert found.id == "mailsetup.W002"
    assert "where any are stored" in found.msg


@pytest.fixture
def _named(monkeypatch):
    """A command line that names a database; Django 6.1 tells a check by nothing else."""
    monkeypatch.setattr("sys.argv", ["manage.py", "check", "--database=default"])


@pytest.mark.django_db
@pytest.mark.usefixtures("_named")
def test_w002_is_silent_where_the_database_keeps_nothing_sealed(safe, monkeypatch):
    safe.MAILSETUP_KEYS = []
    profile(password="", login="none")
    monkeypatch.setenv("MAILSETUP_NEWS_URL", "smtps://u:p@smtp.example.com")
    Message.objects.create()
    assert everything() == []


@pytest.mark.django_db
@pytest.mark.usefixtures("_named")
@pytest.mark.parametrize("kept", [{"content": b"x"}, {"content_file": "ab/abc"}, None])
def test_w002_what_is_sealed_with_a_derived_key(safe, kept):
    safe.MAILSETUP_KEYS = []
    profile(password="" if kept else "p", login="none" if kept else "password")
    if kept:
        Message.objects.create(**kept)
    (found,) = run(databases=["default"], deploy=True)
    assert found.id == "mailsetup.W002"
    assert found.msg.startswith("Stored mail passwords")
    assert "where any" not in found.msg


@pytest.mark.usefixtures("_named")
def test_w002_before_migrate_is_a_condition(safe, unmigrated):
    safe.MAILSETUP_KEYS = []
    found = run(databases=["default"], deploy=True)
    assert sorted(one.id for one in found) == ["mailsetup.W002", "mailsetup.W010"]
    assert "where any are stored" in next(one.msg for one in found if one.id.endswith("W002"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"encryption": "none", "allow_plaintext": True}, ["W003"]),
        ({"encryption": "none", "login": "none"}, []),
        ({"encryption": "none", "host": "localhost"}, []),
        ({"verify": False}, ["W004"]),
        ({"verify": False, "encryption": "none", "login": "none"}, []),
        ({"verify": False, "slug": "off", "active": False}, []),
    ],
)
def test_w003_and_w004_profiles_that_are_not_safe(safe, values, expected):
    profile("first")
    profile(**values)
    assert ids(databases=["default"]) == []
    assert everything() == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://u:p@smtp.example.com?allow_plaintext=on", ["W003"]),
        ("smtps://u:p@smtp.example.com?verify=off", ["W004"]),
        ("smtps://u:p@smtp.example.com", []),
    ],
)
@pytest.mark.parametrize("name", ["DEFAULT", "NEWS"])
def test_w003_and_w004_accounts_of_the_environment(safe, monkeypatch, url, expected, name):
    monkeypatch.setenv(f"MAILSETUP_{name}_URL", url)
    assert ids(deploy=True) == expected
    assert ids() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("query", "does"), [("", "would send"), ("?allow_plaintext=on", "sends")])
def test_w003_an_account_is_named_as_the_profile_that_it_is(safe, monkeypatch, query, does):
    profile()
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", f"smtp://u:p@smtp.example.com{query}")
    monkeypatch.setattr("sys.argv", ["manage.py", "check", "--deploy", "--database", "default"])
    found = run(databases=["default"], deploy=True)
    (told,) = [one.msg for one in found if one.id == "mailsetup.W003"]
    words = "The profile “shop” %s its password unencrypted to smtp.example.com."
    assert told == words % does


@pytest.mark.django_db
def test_w001_a_profile_that_a_variable_switches_off(safe, monkeypatch):
    profile()
    monkeypatch.setenv("MAILSETUP_DEFAULT_ACTIVE", "false")
    with translation.override("vi"):
        (found,) = run(databases=["default"])
    assert found.id == "mailsetup.W001"
    assert "is switched off by the variable MAILSETUP_DEFAULT_ACTIVE in the" in found.msg


@pytest.mark.django_db
def test_w005_debug_with_stored_passwords(safe):
    safe.DEBUG = True
    profile(password="")
    assert everything() == ["W008"]
    profile("news")
    assert everything() == ["W005", "W008"]
    assert "W005" not in ids(databases=["default"])


def backends(settings, **aliases):
    """Put other backends in force: (backend, timeout) by alias."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {
            alias: {"BACKEND": backend, "OPTIONS": {"host": "x"} | ({"timeout": t} if t else {})}
            for alias, (backend, t) in aliases.items()
        }
        return
    settings.EMAIL_BACKEND, settings.EMAIL_TIMEOUT = aliases["default"]


@pytest.mark.parametrize(("timeout", "expected"), [(None, ["W006", "W007"]), (10, ["W007"])])
def test_w006_and_w007_another_backend_in_force(safe, timeout, expected):
    backends(safe, default=(SMTP, timeout))
    assert ids() == expected
    w007 = next(one for one in run() if one.id == "mailsetup.W007")
    assert SMTP in w007.msg
    assert OURS in w007.hint


@pytest.mark.django_db
def test_a_test_run_hears_nothing_of_the_backend_that_it_put_there():
    # Django's test runner put it there, and checks in this state.
    assert ids(databases=["default"]) == []


@pytest.mark.django_db
def test_w007_the_backend_in_memory_outside_a_test_run(settings, monkeypatch):
    monkeypatch.delattr(test_utils._TestState, "saved_data")
    assert ids(databases=["default"]) == ["W001", "W007"]


@pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")
def test_w006_names_the_mailer(safe):
    backends(safe, default=(OURS, None), bulk=(SMTP, None), slow=(SMTP, 10))
    (found,) = run()
    assert (found.id, "“bulk”" in found.msg) == ("mailsetup.W006", True)
    assert found.hint == 'Set "timeout" in its OPTIONS: a number of seconds.'
    del safe.MAILERS["bulk"]["BACKEND"]
    assert ids() == ["W006"]


@pytest.mark.django_db
def test_w008_a_password_that_does_not_serve(safe):
    row = profile()
    SMTPProfile.objects.filter(pk=row.pk).update(port=2525)
    profile("empty", password="")
    profile("none", password="", login="none")
    found = run(databases=["default"])
    assert [one.id for one in found] == ["mailsetup.W008"] * 2
    assert "entered for other settings (port)" in found[0].msg
    assert "has no password" in found[1].msg
    assert found[0].obj == row


@pytest.mark.django_db
def test_w008_a_variable_without_its_password(safe, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_HOST", "smtp.example.com")
    monkeypatch.setenv("MAILSETUP_DEFAULT_USERNAME", "ann")
    assert everything() == ["W008"]
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD", "")
    effective.forget()
    (found,) = run(databases=["default"])
    assert "MAILSETUP_DEFAULT_PASSWORD is empty" in found.msg
    profile()
    assert everything() == ["W008"]
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD", "p")
    assert everything() == []


@pytest.mark.django_db
def test_w008_keeps_quiet_of_a_file_that_e002_tells_of(safe, monkeypatch):
    profile()
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD_FILE", "/nonexistent/password")
    assert everything() == ["E002", "W001"]


@pytest.mark.django_db
def test_w008_a_lost_key_and_no_second_message_for_a_bad_one(safe):
    profile()
    safe.MAILSETUP_KEYS = [vault.generate_key()]
    assert everything() == ["W008"]
    safe.MAILSETUP_KEYS = ["no key"]
    assert everything() == ["E003"]


def test_without_a_database_no_query_is_asked(safe):
    # This test may not touch the database: a query would raise.
    assert ids(deploy=True) == []
    assert ids(databases=[]) == []
    assert checks.check_profiles(databases=["other"]) == []


def test_w010_before_migrate_says_only_that(safe, unmigrated):
    (found,) = run(databases=["default"], deploy=True)
    assert found.id == "mailsetup.W010"
    assert "0001_initial" in found.msg
    assert "manage.py migrate" in found.hint
    assert ids() == []
    assert checks.check_tables(databases=["other"]) == []


def test_w010_after_an_update_that_was_not_migrated(safe, outdated):
    assert everything() == ["W010"]


def test_w010_is_silent_while_migrate_runs(safe, unmigrated, monkeypatch):
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    assert everything() == []


@pytest.mark.django_db
def test_the_command_passes_on_a_sound_site(safe, capsys):
    profile()
    call_command("check", databases=["default"], tags=["mail", Tags.database])
    assert "no issues" in capsys.readouterr().out


@pytest.mark.django_db
def test_no_check_shows_a_secret(safe, monkeypatch):
    profile(password="canary", encryption="none", verify=False)
    monkeypatch.setenv("MAILSETUP_NEWS_URL", "smtp://u:canary@smtp.example.com/canary")
    monkeypatch.setenv("MAILSETUP_KEYS", "canary")
    safe.DEBUG = True
    found = run(databases=["default"], deploy=True)
    assert len(found) >= 4
    assert "canary" not in repr(found) + "".join(f"{one.msg} {one.hint}" for one in found)


def test_misspelt_variable_is_named(monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASWORD", "x")
    found = [message for message in checks.check_environment() if message.id == "mailsetup.W009"]
    assert len(found) == 1
    assert "MAILSETUP_DEFAULT_PASWORD" in found[0].msg
