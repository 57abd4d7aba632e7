"""The settings module, read by a process of its own for each set of variables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import django
import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import json, os, sys
from config import settings
names = sys.argv[1:]
print(json.dumps({n: getattr(settings, n, os.environ.get(n)) for n in names}, default=str))
"""


def read(
    *names: str, env_file: Path | None = None, **variables: str
) -> subprocess.CompletedProcess:
    """Read names of the settings module, or of its environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *names],
        cwd=ROOT,
        env=kept | {"ENV_FILE": str(env_file or os.devnull)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def values(*names: str, **kwargs) -> dict:
    result = read(*names, **kwargs)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_missing_secret_key_is_told_with_the_way_out():
    result = read("DEBUG")
    assert result.returncode != 0
    assert ".env.example" in result.stderr
    assert "make demo" in result.stderr


def test_defaults_are_those_of_a_public_site():
    found = values(
        "DEBUG", "ALLOWED_HOSTS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", SECRET_KEY="x"
    )
    assert found == {
        "DEBUG": False,
        "ALLOWED_HOSTS": [],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }


@pytest.mark.parametrize(
    "value",
    ["$ecret", "a#b # c", " blanks at both ends ", r"back\slash\n", "a=b", "ế 'q' \"q\"", "%20$X"],
)
def test_env_file_keeps_a_value_as_typed(tmp_path, value):
    file = tmp_path / ".env"
    file.write_text(
        f"SECRET_KEY={value}\nMAILSETUP_DEFAULT_PASSWORD={value}\n", encoding="utf-8-sig"
    )
    found = values("SECRET_KEY", "MAILSETUP_DEFAULT_PASSWORD", env_file=file)
    assert found == {"SECRET_KEY": value, "MAILSETUP_DEFAULT_PASSWORD": value}


def test_env_file_takes_one_pair_of_quotes_off(tmp_path):
    file = tmp_path / ".env"
    file.write_text("SECRET_KEY='x'\nMAILSETUP_DEFAULT_PASSWORD='\"quoted\"'\n", encoding="utf-8")
    # Two different pairs are both taken off: what begins and ends with quotes needs the same
    # kind around it, as .env.example says.
    assert values("MAILSETUP_DEFAULT_PASSWORD", env_file=file) == {
        "MAILSETUP_DEFAULT_PASSWORD": "quoted"
    }
    file.write_text('SECRET_KEY=x\nMAILSETUP_DEFAULT_PASSWORD=""quoted""\n', encoding="utf-8")
    assert values("MAILSETUP_DEFAULT_PASSWORD", env_file=file) == {
        "MAILSETUP_DEFAULT_PASSWORD": '"quoted"'
    }


def test_environment_goes_before_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("SECRET_KEY=of the file\n", encoding="utf-8")
    assert values("SECRET_KEY", env_file=file, SECRET_KEY="$of the shell") == {
        "SECRET_KEY": "$of the shell"
    }


def test_mail_is_named_in_the_way_of_this_django():
    found = values("MAILERS", "EMAIL_BACKEND", "ADMINS", SECRET_KEY="x", ADMINS="Ann <a@b.example>")
    backend = "mailsetup.backends.EmailBackend"
    if django.VERSION >= (6, 1):
        assert found["EMAIL_BACKEND"] is None
        assert {mailer["BACKEND"] for mailer in found["MAILERS"].values()} == {backend}
    else:
        assert found["MAILERS"] is None
        assert found["EMAIL_BACKEND"] == backend
    admin = "a@b.example" if django.VERSION >= (6, 0) else ["Ann", "a@b.example"]
    assert found["ADMINS"] == [admin]


def test_database_url_goes_before_sqlite():
    found = values("DATABASES", SECRET_KEY="x", DATABASE_URL="postgres://u:p@db.example/site")
    assert found["DATABASES"]["default"]["ENGINE"] == "django.db.backends.postgresql"
    assert found["DATABASES"]["default"]["HOST"] == "db.example"


@pytest.mark.django_db
def test_sqlite_runs_in_wal_mode_with_immediate_transactions():
    if connection.vendor != "sqlite":
        pytest.skip("another database was asked for")
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.parametrize("entrance", ["wsgi", "asgi"])
def test_server_entrances_give_an_application(entrance):
    from importlib import import_module

    assert callable(import_module(f"config.{entrance}").application)
