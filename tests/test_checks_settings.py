"""System checks of settings: the dictionary ``MAILSETUP``, variables of nobody, SQLite."""

from __future__ import annotations

from pathlib import Path

import django
import pytest
from django.db import connection

from mailsetup import checks, conf, conf_values, vault
from mailsetup.backends import EmailBackend
from mailsetup.effective.django_settings import BACKEND, sends_by_us
from mailsetup.models import SMTPProfile
from tests.test_checks import everything, ids, profile, run

pytestmark = pytest.mark.filterwarnings("ignore:The EMAIL_")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROBE_SECONDS", "0.25"),
        ("MAX_CONNECTIONS", 0),
        ("MAX_CONNECTIONS", 2.5),
        ("TEST_LIMIT", None),
        ("TEST_WINDOW", 0),
        ("CONTENT_INLINE", -1),
        ("CONTENT_DIR", 3),
        ("RETRY_DELAYS", 60),
        ("RETRY_DELAYS", []),
        ("RETRY_DELAYS", [60, "300"]),
        ("GIVE_UP_AFTER", float("nan")),
        ("PRIORITIES", {"auth": "urgent"}),
        ("PRIORITIES", ["auth"]),
        ("LOG_DAYS", "x"),
        ("LOG_ROWS", True),
        ("CLAIM_SECONDS", "a"),
        ("INLINE_THREADS", 0),
        ("SWEEP_SECONDS", 0),
        ("TASKS_QUEUE", ""),
    ],
)
def test_e005_a_setting_that_cannot_be_used(safe, name, value):
    safe.MAILSETUP = {name: value}
    (found,) = run()
    assert found.id == "mailsetup.E005"
    assert found.msg.startswith(f"MAILSETUP[{name!r}] has to be ")


def test_e005_settings_that_are_no_dictionary(safe):
    safe.MAILSETUP = [("LOG_DAYS", 5)]
    (found,) = run()
    assert (found.id, found.msg) == ("mailsetup.E005", "MAILSETUP has to be a dictionary.")
    assert conf.option("LOG_DAYS") == 90


def test_e005_has_a_rule_for_each_setting_and_takes_the_defaults(safe):
    assert conf_values.RULES.keys() == conf.DEFAULTS.keys()
    safe.MAILSETUP = conf.DEFAULTS
    assert ids() == []
    safe.MAILSETUP = {"CONTENT_DIR": Path("x"), "LOG_DAYS": None, "LOG_ROWS": 5}
    assert ids() == []


def test_w011_a_setting_that_nothing_reads(safe):
    safe.MAILSETUP = {"ENGNE": "worker", "COLOUR": 1}
    first, second = run()
    assert first.id == second.id == "mailsetup.W011"
    assert (first.msg, first.hint) == ("MAILSETUP has no setting 'ENGNE'.", "Do you mean 'ENGINE'?")
    assert second.hint == "Take it out."


def test_w009_a_key_one_letter_short(safe, monkeypatch):
    monkeypatch.setenv("MAILSETUP_KEY", "canary")
    (found,) = run()
    assert (found.id, found.msg) == (
        "mailsetup.W009",
        "No profile listens to the variable MAILSETUP_KEY.",
    )
    assert found.hint == "Do you mean MAILSETUP_KEYS?"
    monkeypatch.delenv("MAILSETUP_KEY")
    # Of a profile that only the database knows.
    monkeypatch.setenv("MAILSETUP_KEYNOTE_PASSWORD", "canary")
    monkeypatch.setenv("MAILSETUP_KEYS", vault.generate_key())
    assert ids() == []


@pytest.mark.django_db
def test_w009_a_variable_of_no_profile(safe, monkeypatch):
    profile("shop")
    monkeypatch.setenv("MAILSETUP_SHOP_TIMEOUT", "10")
    monkeypatch.setenv("MAILSETUP_DEFAULT_TIMEOUT", "10")
    monkeypatch.setenv("MAILSETUP_DEFUALT_PASSWORD", "canary")
    assert ids() == []
    (found,) = run(databases=["default"])
    assert found.id == "mailsetup.W009"
    assert "MAILSETUP_DEFUALT_PASSWORD" in found.msg
    assert "canary" not in found.msg + found.hint


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="needs SQLite")
def test_w012_an_sqlite_that_cannot_wait(safe, monkeypatch):
    profile()
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "transaction_mode", None)
    assert everything() == []
    SMTPProfile.objects.update(sending="background")
    assert everything() == ["W012"]
    assert ids() == []
    SMTPProfile.objects.update(sending="at_once")
    monkeypatch.setenv("MAILSETUP_NEWS_HOST", "127.0.0.1")
    monkeypatch.setenv("MAILSETUP_NEWS_LOGIN", "none")
    monkeypatch.setenv("MAILSETUP_NEWS_SENDING", "background")
    assert everything() == ["W012"]
    monkeypatch.setitem(options, "transaction_mode", "IMMEDIATE")
    assert everything() == []


class Own(EmailBackend):
    """What a site may have made of ours."""


@pytest.mark.parametrize(
    ("backend", "settings_of_it", "expected"),
    [
        (f"{__name__}.Own", {}, []),
        ("queue.Backend", {"QUEUE": {"BACKENDS": {"default": BACKEND}}}, []),
        ("logger.Backend", {"EMAIL_LOG_BACKEND": BACKEND}, []),
        ("queue.Backend", {"QUEUE": {"BACKENDS": ["other.Backend"]}}, ["W007"]),
        ("no.such.Backend", {}, ["W007"]),
    ],
)
def test_w007_knows_who_hands_mail_on_to_us(safe, backend, settings_of_it, expected):
    if django.VERSION >= (6, 1):
        safe.MAILERS = {"default": {"BACKEND": backend}}
    else:
        safe.EMAIL_BACKEND = backend
    for name, value in settings_of_it.items():
        setattr(safe, name, value)
    assert ids() == expected
    assert sends_by_us() is not bool(expected)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"isolation_level": "read committed"}, []),
        ({"isolation_level": "REPEATABLE READ"}, ["W013"]),
        ({"isolation_level": "serializable"}, ["W013"]),
        ({"isolation_level": None}, ["W013"]),
    ],
)
def test_w013_a_mysql_that_locks_gaps(safe, monkeypatch, options, expected):
    profile(sending="background")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    monkeypatch.setattr(connection, "vendor", "mysql")
    found = checks.check_outbox_database(databases=["default"])
    assert [one.id.removeprefix("mailsetup.") for one in found] == expected
    SMTPProfile.objects.update(sending="at_once")
    assert checks.check_outbox_database(databases=["default"]) == []
