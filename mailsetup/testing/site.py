"""Puts mailsetup in force inside Django's test runner, with every account at the test's server."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from django.conf import settings
from django.test.utils import _TestState, override_settings

from mailsetup import effective
from mailsetup.effective import Effective, environment
from mailsetup.smtp.account import Account, Encryption
from mailsetup.smtp.pool import pool

from .server import MailServer

BACKEND = "mailsetup.backends.EmailBackend"
# Seconds that a step on the loopback interface may take.
TIMEOUT = 10.0

_running: list[MailServer] = []


def current_server() -> MailServer:
    """Return the server of the innermost `use_mailsetup`.

    Raises:
        RuntimeError: none is running.
    """
    if not _running:
        raise RuntimeError("Mailsetup is not in force here. Use mailsetup.testing.use_mailsetup().")
    return _running[-1]


@contextmanager
def use_mailsetup(
    *, profiles: Sequence[str] = (), background: bool | None = None, **fields: Any
) -> Iterator[MailServer]:
    """Have mails go through mailsetup to a server of the test, in place of Django's own outbox.

    Django's test runner replaces each mailer by one that keeps mails in memory. Within this
    context the site's mailers are mailsetup's again (``MAILERS`` or ``EMAIL_BACKEND``). There is a
    default profile, and *every* account goes to the test's server: stored profiles and those of
    the environment too, so that no mail can leave the computer. What is not given has the default
    that a profile of the admin has: the From of each mail is the profile's, ``site@example.com``.

    Args:
        profiles: names of further profiles to give, besides those that are stored.
        background: whether they leave mails to the outbox (see `deliver_all`), or send at once.
            Not given: as the profile or the mailer says.
        fields: further values of the profiles given, by the names of ``MAILSETUP_…`` variables in
            small letters: ``from_email="shop@example.com"``.

    Yields:
        The server, with the mails that arrived.

    Raises:
        TypeError: there is no such field.
    """
    if background is not None:
        fields["sending"] = "background" if background else "at_once"
    if unknown := fields.keys() - environment.FIELDS.keys():
        raise TypeError(f"A profile has no field {', '.join(sorted(unknown))}.")
    with MailServer() as server, ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, _variables(server, profiles, fields)))
        for name in _outranking(("default", *profiles), fields):
            os.environ.pop(name, None)
        stack.enter_context(mock.patch.object(Effective, "account", _redirected(server)))
        # Engines work in threads and processes of their own, which see nothing of a test's
        # transaction: this one leaves it to a worker that does not run.
        own = {**getattr(settings, "MAILSETUP", {}), "ENGINE": "worker"}
        stack.enter_context(override_settings(MAILSETUP=own, **_mailers()))
        stack.callback(pool.close_all)
        stack.callback(effective.forget)
        effective.forget()
        stack.callback(_running.remove, server)
        _running.append(server)
        yield server


def _variables(
    server: MailServer, profiles: Sequence[str], fields: Mapping[str, Any]
) -> dict[str, str]:
    """Return the variables that give the default profile and further ones."""
    values = {
        "host": server.host,
        "port": server.port,
        "encryption": "none",
        "login": "password",
        "username": "mailsetup",
        "password": "any",
        "from_email": "site@example.com",
        **fields,
    }
    return {
        _stem(name) + field.upper(): str(value)
        for name in ("default", *profiles)
        for field, value in values.items()
    }


def _outranking(names: Sequence[str], fields: Mapping[str, Any]) -> list[str]:
    """Return the variables of the site's own environment that would count before ours."""
    return [_stem(name) + field for name in names for field in ("URL", "PASSWORD_FILE", "CA_FILE")]


def _stem(profile: str) -> str:
    return f"{environment.PREFIX}{environment.environment_name(profile)}_"


def _redirected(server: MailServer) -> property:
    """Return `Effective.account`, but with the test's server in it."""
    # Within another `use_mailsetup` it is a property already.
    known = vars(Effective)["account"]
    original = known.fget if isinstance(known, property) else known.func

    def account(self: Effective) -> Account:
        real: Account = original(self)
        key = (self.pool_name, self.fingerprint, self.secret_mark, server.port)
        return replace(
            real,
            host=server.host,
            port=server.port,
            encryption=Encryption.NONE,
            ca="",
            certfile=None,
            keyfile=None,
            timeout=min(real.timeout, TIMEOUT),
            key=key,
        )

    return property(account)


def _mailers() -> dict[str, Any]:
    """Return the settings that put the site's own use of mailsetup back in force."""
    if not hasattr(settings, "MAILERS"):
        return {"EMAIL_BACKEND": BACKEND}
    # Where Django's test runner keeps what it has replaced.
    saved = getattr(getattr(_TestState, "saved_data", None), "mailers", settings.MAILERS)
    ours = {alias: mailer for alias, mailer in saved.items() if mailer.get("BACKEND") == BACKEND}
    return {"MAILERS": {**settings.MAILERS, **(ours or {"default": {"BACKEND": BACKEND}})}}
