"""The commands: what they print, how they exit, and what they never show."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import django
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from mailsetup import vault
from mailsetup.models import ProfileState, SMTPProfile
from tests.backend_servers import PASSWORD, store

pytestmark = pytest.mark.filterwarnings("ignore:The EMAIL_")


def run(name, *args, **options):
    out = StringIO()
    call_command(name, *args, stdout=out, no_color=True, **options)
    return out.getvalue()


def lines(text):
    """Return the printed values: field to (value, origin)."""
    rows = [line.split() for line in text.splitlines() if line.startswith("  ")]
    return {row[0]: (" ".join(row[1:-1]), row[-1]) for row in rows}


# mailsetup_generate_key


def test_a_new_key_is_printed_alone(settings):
    key = run("mailsetup_generate_key").strip()
    assert key != run("mailsetup_generate_key").strip()
    settings.MAILSETUP_KEYS = [key]
    assert vault.unseal(vault.seal("x", bound_to={}), bound_to={}) == "x"


# mailsetup_rotate_keys


@pytest.mark.django_db
def test_rotation_tells_what_it_did(settings):
    old, new = vault.generate_key(), vault.generate_key()
    settings.MAILSETUP_KEYS = [old]
    for slug in ("shop", "news"):
        row = SMTPProfile(slug=slug, host="smtp.example.com")
        row.set_password(PASSWORD)
        row.save()
    settings.MAILSETUP_KEYS = [new, old]
    assert run("mailsetup_rotate_keys") == "2 sealed anew, 0 had the first key already.\n"
    assert run("mailsetup_rotate_keys") == "0 sealed anew, 2 had the first key already.\n"
    settings.MAILSETUP_KEYS = [vault.generate_key()]
    with pytest.raises(CommandError, match=r"of: (shop, news|news, shop)\. Enter it again"):
        run("mailsetup_rotate_keys")


@pytest.mark.django_db
def test_rotation_with_a_bad_key_tells_its_place(settings):
    row = SMTPProfile(slug="shop", host="smtp.example.com")
    row.set_password(PASSWORD)
    row.save()
    settings.MAILSETUP_KEYS = [vault.generate_key(), "bad-canary"]
    with pytest.raises(CommandError, match="Key 2 of MAILSETUP_KEYS") as caught:
        run("mailsetup_rotate_keys")
    assert "canary" not in str(caught.value)


# mailsetup_show


@pytest.mark.django_db
def test_show_prints_each_value_with_its_origin(monkeypatch, authority):
    row = SMTPProfile(slug="shop", host="smtp.example.com", username="ann@example.com")
    row.ca = authority.cert_pem.bytes().decode()
    row.set_password(PASSWORD)
    row.save()
    monkeypatch.setenv("MAILSETUP_SHOP_FROM_NAME", "Shop")
    text = run("mailsetup_show")
    assert text.splitlines()[0] == "shop"
    found = lines(text)
    assert found["host"] == ("smtp.example.com", "database")
    assert found["from_name"] == ("Shop", "MAILSETUP_SHOP_FROM_NAME")
    assert found["password"] == ("********", "database")
    assert found["ca"][0].startswith("(PEM text, ")
    assert "BEGIN CERTIFICATE" not in text


@pytest.mark.django_db
@pytest.mark.parametrize("secret", ["x", "canary" * 30])
@pytest.mark.parametrize("source", ["database", "environment"])
def test_the_mask_tells_no_length(monkeypatch, secret, source):
    row = SMTPProfile(slug="shop", host="smtp.example.com", username="ann")
    if source == "database":
        row.set_password(secret)
    else:
        monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", secret)
    row.save()
    text = run("mailsetup_show")
    assert lines(text)["password"][0] == "********"
    assert "canary" not in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "password", "shown"),
    [
        ({}, "", "(none)"),
        ({"login": "none"}, "", "(none)"),
        ({"port": 2525}, "p", "(enter the password again)"),
    ],
)
def test_show_tells_what_is_wrong_with_a_password(values, password, shown):
    row = SMTPProfile(slug="shop", host="smtp.example.com", username="ann")
    row.set_password(password)
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    assert lines(run("mailsetup_show"))["password"][0] == shown


@pytest.mark.django_db
def test_show_tells_that_the_variable_of_a_password_is_empty(monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "smtp.example.com")
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "")
    password = lines(run("mailsetup_show"))["password"]
    assert (password[0], password[-1]) == ("(none)", "MAILSETUP_SHOP_PASSWORD")


@pytest.mark.django_db
def test_show_prints_every_profile_or_one(monkeypatch):
    for slug in ("first", "second"):
        SMTPProfile(slug=slug, host=f"{slug}.example.com").save()
    monkeypatch.setenv("MAILSETUP_OF_THE_ENV_URL", "smtps://u:canary@env.example.com")
    text = run("mailsetup_show")
    headings = [line for line in text.splitlines() if not line.startswith(" ")]
    assert headings == ["first", "second", "of-the-env"]
    assert "canary" not in text
    assert "first" not in run("mailsetup_show", profile="second")
    with pytest.raises(CommandError, match="no SMTP profile named “third”"):
        run("mailsetup_show", profile="third")


@pytest.mark.django_db
def test_show_prints_problems_without_values(monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_HOST", "smtp.example.com")
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "canary")
    text = run("mailsetup_show")
    assert "MAILSETUP_DEFAULT_PORT: Use a number from 1 to 65535." in text
    assert "canary" not in text


@pytest.mark.django_db
def test_show_does_not_name_a_variable_for_a_value_that_is_not_its(monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_HOST", "smtp.example.com")
    monkeypatch.setenv("MAILSETUP_DEFAULT_PORT", "abc")
    printed = run("mailsetup_show")
    (line,) = [line for line in printed.splitlines() if line.lstrip().startswith("port ")]
    assert line.split(maxsplit=1)[1].startswith("(the variable cannot be used)")
    assert "587" not in line


@pytest.mark.django_db
def test_show_tells_where_to_go_with_nothing_at_all():
    with pytest.raises(CommandError, match="in the admin"):
        run("mailsetup_show")


@pytest.mark.django_db
def test_show_prints_djangos_own_settings(settings):
    options = {"host": "smtp.example.com", "username": "u", "password": "canary"}
    if django.VERSION >= (6, 1):
        backend = "mailsetup.backends.EmailBackend"
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    else:
        settings.EMAIL_HOST, settings.EMAIL_HOST_USER = options["host"], options["username"]
        settings.EMAIL_HOST_PASSWORD = options["password"]
    text = run("mailsetup_show")
    assert text.splitlines()[0] == "the site's own settings"
    assert "canary" not in text
    assert "********" in text


@pytest.mark.django_db
def test_show_tells_a_bad_key_in_the_passwords_place(settings):
    row = SMTPProfile(slug="shop", host="smtp.example.com", username="ann")
    row.set_password("canary")
    row.save()
    settings.MAILSETUP_KEYS = ["bad"]
    text = run("mailsetup_show")
    assert "Key 1 of MAILSETUP_KEYS" in text
    assert "canary" not in text


# mailsetup_test


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_is_sent_and_told(stored, server):
    text = run("mailsetup_test", "--to", "bob@example.com")
    assert "Test mail to bob@example.com was accepted (TLSv1" in text
    assert "250" in text
    assert server.mails[0].recipients == ["bob@example.com"]
    assert server.mails[0].parsed.get_content_type() == "multipart/alternative"
    assert ProfileState.objects.get(slug="shop").test_passed


@pytest.mark.django_db(transaction=True)
def test_plain_and_a_named_profile(stored, server, tls_server):
    store(tls_server, slug="news")
    run("mailsetup_test", "--to", "bob@example.com", "--profile", "news", "--plain")
    assert tls_server.mails[0].parsed.get_content_type() == "text/plain"
    assert server.connections == 0


@pytest.mark.django_db(transaction=True)
def test_a_check_sends_nothing(stored, server):
    text = run("mailsetup_test", "--check-only")
    assert "Connected and logged in (TLSv1" in text
    assert server.mails == []
    assert server.auth_commands == 1


@pytest.mark.django_db(transaction=True)
def test_the_conversation_is_printed_masked(stored, server):
    text = run("mailsetup_test", "--check-only", "--conversation")
    assert "AUTH PLAIN" in text
    assert "canary" not in text
    server.refuse_login = True
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("mailsetup_test", "--check-only", "--conversation", stdout=out)
    assert "535" in out.getvalue()
    assert "canary" not in out.getvalue() + str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_a_failure_tells_its_stage_and_is_remembered(stored, server):
    server.refuse_login = True
    with pytest.raises(CommandError, match=r"failed at the stage “login”: .*535"):
        run("mailsetup_test", "--to", "bob@example.com")
    state = ProfileState.objects.get(slug="shop")
    assert (state.test_passed, state.test_stage) == (False, "login")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "Say who gets the mail"),
        (["--to", "nobody"], "--to: “nobody” is not an e-mail address"),
        (["--to", "bob@example.com"], "in the admin"),
        (["--check-only", "--profile", "absent"], "no SMTP profile named “absent”"),
    ],
)
def test_a_wrong_call_says_what_to_do(args, says):
    with pytest.raises(CommandError) as caught:
        run("mailsetup_test", *args)
    assert says in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_a_profile_that_does_not_send_is_no_success(transactional_db, server):
    store(server, do_not_send=True)
    with pytest.raises(CommandError, match="Nothing was sent"):
        run("mailsetup_test", "--to", "bob@example.com")
    assert "Connected" in run("mailsetup_test", "--check-only")


@pytest.mark.django_db
def test_a_check_of_a_profile_without_login_claims_none(monkeypatch, plain_server):
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", f"smtp://127.0.0.1:{plain_server.port}")
    assert run("mailsetup_test", "--check-only").startswith(
        "Connected; the profile has no login (no encryption, "
    )


def test_an_account_of_the_environment_can_be_tested_before_migrate(
    unmigrated, monkeypatch, plain_server
):
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", f"smtp://127.0.0.1:{plain_server.port}")
    text = run("mailsetup_test", "--to", "bob@example.com")
    assert "was accepted (no encryption" in text


@pytest.mark.parametrize(
    "command",
    [
        "mailsetup_show",
        "mailsetup_rotate_keys",
        "mailsetup_test --check-only",
        "mailsetup_worker",
        "mailsetup_worker --drain",
        "mailsetup_sweep",
        "mailsetup_sweep --deliver",
        "mailsetup_purge",
        "mailsetup_purge --dry-run",
    ],
)
def test_each_command_says_migrate_where_the_tables_are_missing(unmigrated, command):
    with pytest.raises(CommandError, match=r"Run: manage\.py migrate"):
        run(*command.split())


@pytest.mark.django_db(transaction=True)
def test_the_commands_leave_the_language_alone(stored, server):
    with translation.override("vi"):
        run("mailsetup_test", "--to", "bob@example.com")
        assert "database" in run("mailsetup_show")
        assert translation.get_language() == "vi"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_read_enough_is_no_error(unbuffered, tmp_path):
    # Nobody reads; Python meets that when it writes, or at its end.
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "manage.py", "mailsetup_show"],
            cwd=Path(__file__).parents[1],
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
                "MAILSETUP_DEFAULT_URL": "smtps://u:p@smtp.example.com",
                "PYTHONUNBUFFERED": unbuffered,
            },
            check=False,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_exit_status_tells():
    manage = [sys.executable, "manage.py", "mailsetup_test", "--settings", "tests.settings"]
    done = subprocess.run(
        manage, cwd=Path(__file__).parents[1], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("(or --check-only).")
    assert "Traceback" not in done.stderr
