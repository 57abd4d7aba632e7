"""Secrets are sealed for one place, and open nowhere else."""

from __future__ import annotations

import sys
import time

import pytest
from cryptography.fernet import Fernet
from django.views.debug import ExceptionReporter

from mailsetup import vault
from mailsetup.exceptions import ConfigurationError, SecretUnavailableError

CANARY = "canary-Ế$ecret"
BINDING = {"profile": "3f0c", "host": "smtp.example.com", "port": "587", "username": "ann"}


@pytest.fixture
def keys(settings):
    """Set MAILSETUP_KEYS to new keys, and return a function that sets others."""

    def use(*keys):
        settings.MAILSETUP_KEYS = list(keys)

    use(vault.generate_key())
    return use


def frames(error: BaseException) -> str:
    """Return the debug page and the error mail of an exception, variables of frames included."""
    reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
    return reporter.get_traceback_html() + reporter.get_traceback_text()


def test_a_secret_opens_for_its_binding(keys):
    token = vault.seal(CANARY, bound_to=BINDING)
    assert CANARY not in token
    assert vault.unseal(token, bound_to=dict(reversed(BINDING.items()))) == CANARY


@pytest.mark.parametrize("secret", ["", " ends with blanks ", "\x00", '{"secret": 1}', "ế" * 5000])
def test_any_text_comes_back_as_it_was(keys, secret):
    assert vault.unseal(vault.seal(secret, bound_to=BINDING), bound_to=BINDING) == secret


@pytest.mark.parametrize("name", BINDING)
def test_each_changed_part_is_named(keys, name):
    token = vault.seal(CANARY, bound_to=BINDING)
    with pytest.raises(SecretUnavailableError) as caught:
        vault.unseal(token, bound_to=BINDING | {name: "other"})
    assert caught.value.changed == (name,)
    assert CANARY not in frames(caught.value)


def test_all_changed_parts_are_named(keys):
    token = vault.seal(CANARY, bound_to=BINDING)
    with pytest.raises(SecretUnavailableError) as caught:
        vault.unseal(token, bound_to=BINDING | {"host": "evil", "port": "25"})
    assert caught.value.changed == ("host", "port")


@pytest.mark.parametrize("binding", [{}, BINDING | {"more": "1"}, {"profile": "3f0c"}])
def test_a_binding_of_other_parts_opens_nothing(keys, binding):
    token = vault.seal(CANARY, bound_to=BINDING)
    with pytest.raises(SecretUnavailableError) as caught:
        vault.unseal(token, bound_to=binding)
    assert caught.value.changed


@pytest.mark.parametrize(
    "token", ["", "not a token", "gAAAAA==", "ế", Fernet.generate_key().decode()]
)
def test_what_is_no_token_opens_nothing(keys, token):
    with pytest.raises(SecretUnavailableError) as caught:
        vault.unseal(token, bound_to=BINDING)
    assert caught.value.changed == ()
    with pytest.raises(SecretUnavailableError):
        vault.reseal(token)
    assert not vault.sealed_with_first_key(token)


def test_a_changed_token_opens_nothing(keys):
    token = vault.seal(CANARY, bound_to=BINDING)
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    with pytest.raises(SecretUnavailableError):
        vault.unseal(changed, bound_to=BINDING)


def test_another_key_opens_nothing(keys):
    token = vault.seal(CANARY, bound_to=BINDING)
    keys(vault.generate_key())
    with pytest.raises(SecretUnavailableError) as caught:
        vault.unseal(token, bound_to=BINDING)
    assert caught.value.changed == ()
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_an_older_key_still_opens(keys):
    old, new = vault.generate_key(), vault.generate_key()
    keys(old)
    token = vault.seal(CANARY, bound_to=BINDING)
    keys(new, old)
    assert vault.unseal(token, bound_to=BINDING) == CANARY
    assert not vault.sealed_with_first_key(token)
    resealed = vault.reseal(token)
    assert vault.sealed_with_first_key(resealed)
    keys(new)
    assert vault.unseal(resealed, bound_to=BINDING) == CANARY


def test_what_the_derived_key_sealed_opens_after_keys_are_set(settings):
    settings.MAILSETUP_KEYS = []
    token = vault.seal(CANARY, bound_to=BINDING)
    settings.MAILSETUP_KEYS = [vault.generate_key()]
    assert vault.unseal(token, bound_to=BINDING) == CANARY
    assert not vault.sealed_with_first_key(token)


def test_a_secret_key_fallback_opens(settings):
    settings.MAILSETUP_KEYS = []
    token = vault.seal(CANARY, bound_to=BINDING)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one"
    assert vault.unseal(token, bound_to=BINDING) == CANARY
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(SecretUnavailableError):
        vault.unseal(token, bound_to=BINDING)


@pytest.mark.parametrize("separator", [",", " ", "\n", ", "])
def test_keys_come_from_the_environment(settings, monkeypatch, separator):
    first, second = vault.generate_key(), vault.generate_key()
    del settings.MAILSETUP_KEYS
    monkeypatch.setenv("MAILSETUP_KEYS", second)
    token = vault.seal(CANARY, bound_to=BINDING)
    monkeypatch.setenv("MAILSETUP_KEYS", f"{first}{separator}{second}")
    assert vault.unseal(token, bound_to=BINDING) == CANARY
    assert not vault.sealed_with_first_key(token)


@pytest.mark.parametrize("wrong", ["too short", "A" * 43 + "!", "ế" * 44])
def test_a_wrong_key_is_told_by_its_place_only(keys, settings, wrong):
    good = vault.generate_key()
    keys(good, wrong)
    for call in (
        lambda: vault.seal("x", bound_to={}),
        lambda: vault.unseal("x", bound_to={}),
        lambda: vault.reseal("x"),
        lambda: vault.sealed_with_first_key("x"),
    ):
        with pytest.raises(ConfigurationError, match="Key 2 of MAILSETUP_KEYS") as caught:
            call()
        page = frames(caught.value).partition("Request information")[0]
        # The test's own frame knows the keys.
        page = page.replace(repr(wrong), "").partition("mailsetup/vault.py")[2]
        assert wrong not in page
        assert good not in page
        assert settings.SECRET_KEY not in page


def test_a_token_grows_too_old(keys, monkeypatch):
    token = vault.seal(CANARY, bound_to=BINDING)
    later = time.time() + 601
    monkeypatch.setattr("cryptography.fernet.time.time", lambda: later)
    with pytest.raises(SecretUnavailableError):
        vault.unseal(token, bound_to=BINDING, max_age=600)
    assert vault.unseal(token, bound_to=BINDING) == CANARY
    # A new seal is no new life.
    with pytest.raises(SecretUnavailableError):
        vault.unseal(vault.reseal(token), bound_to=BINDING, max_age=600)


def test_no_two_seals_are_alike(keys):
    assert vault.seal(CANARY, bound_to=BINDING) != vault.seal(CANARY, bound_to=BINDING)


def test_nothing_of_the_secret_is_left_in_the_modules_cache(keys):
    vault.unseal(vault.seal(CANARY, bound_to=BINDING), bound_to=BINDING)
    assert CANARY not in repr(vars(sys.modules["mailsetup.vault"]))
