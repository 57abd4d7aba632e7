"""Django's own SMTP settings, as what serves while there is no profile.

``EMAIL_HOST`` has a default, so only what the site sets itself counts as configured. Under
``MAILERS`` (Django 6.1) reading ``EMAIL_*`` raises; the alias's ``OPTIONS`` say what they said.
"""

import sys
from collections.abc import Mapping
from typing import Any

import django
from django.conf import settings
from django.utils.module_loading import import_string

from mailsetup.models.profile import DEFAULT_PORTS
from mailsetup.smtp.account import Secret

BACKEND = "mailsetup.backends.EmailBackend"
IN_MEMORY = "django.core.mail.backends.locmem.EmailBackend"
DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"
STOCK_OPTIONS = (
    "host",
    "port",
    "username",
    "password",
    "use_tls",
    "use_ssl",
    "timeout",
    "ssl_keyfile",
    "ssl_certfile",
)
_SETTING_OF = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "ssl_keyfile": "EMAIL_SSL_KEYFILE",
    "ssl_certfile": "EMAIL_SSL_CERTFILE",
}


# One of these overridden means that the site named a server; EMAIL_HOST has a default.
_NAMING = ("host", "port", "username", "use_tls", "use_ssl")


def uses_mailers() -> bool:
    """Tell whether the site has Django 6.1's ``MAILERS``."""
    return django.VERSION >= (6, 1) and hasattr(settings, "MAILERS")


def mailer_options(alias: str | None = None) -> dict[str, Any]:
    """Return the SMTP options of one alias of ``MAILERS``; empty where there are none."""
    if not uses_mailers():
        return {}
    options = settings.MAILERS.get(alias or "default", {}).get("OPTIONS", {})
    return {name: options[name] for name in STOCK_OPTIONS if options.get(name) is not None}


def email_settings() -> dict[str, Any]:
    """Return the overridden ``EMAIL_*`` settings under the names of the SMTP backend's options."""
    if uses_mailers() or not any(settings.is_overridden(_SETTING_OF[name]) for name in _NAMING):
        return {}
    found = {
        option: _read(name) for option, name in _SETTING_OF.items() if settings.is_overridden(name)
    }
    return {name: value for name, value in found.items() if value is not None}


def stock_value(option: str) -> Any:
    """Return one ``EMAIL_*`` setting as Django's backend reads it, default included."""
    if uses_mailers():
        return {"use_tls": False, "use_ssl": False}.get(option)
    return _read(_SETTING_OF[option])


def email_backend() -> str:
    """Return ``EMAIL_BACKEND``, default included."""
    return str(_read("EMAIL_BACKEND"))


def backends_in_force() -> dict[str, str]:
    """Return the backend of each mailer, by its alias; before Django 6.1 there is one."""
    if uses_mailers():
        return {
            alias: mailer.get("BACKEND", DJANGO_SMTP) for alias, mailer in settings.MAILERS.items()
        }
    return {"default": email_backend()}


def sends_by_us() -> bool:
    """Tell whether mail of the site goes through mailsetup's backend, or one that hands it on.

    One that inherits from ours is ours; others (a queue, a logger) name in some setting of theirs
    to whom they hand the mail. The test runner puts its own in the place of every mailer.
    """
    backends = set(backends_in_force().values())
    if BACKEND in backends:
        return True
    if replaced_by_test_runner():
        return False
    return any(_inherits(backend) for backend in backends) or _is_named_elsewhere()


def replaced_by_test_runner() -> bool:
    """Tell whether Django's test runner has put its backend in the place of every mailer."""
    # Whoever prepares a test environment has imported it; a site that runs need not.
    utils = sys.modules.get("django.test.utils")
    prepared = utils is not None and hasattr(utils._TestState, "saved_data")
    return prepared and set(backends_in_force().values()) == {IN_MEMORY}


def _inherits(backend: str) -> bool:
    try:
        found = import_string(backend)
    except Exception:  # noqa: BLE001 - whatever a module of the site's raises; Django tells of it
        return False
    bases = getattr(found, "__mro__", ())
    return any(f"{base.__module__}.{base.__qualname__}" == BACKEND for base in bases)


def _is_named_elsewhere() -> bool:
    # The two that are in force have been looked at.
    names = {name for name in dir(settings) if name.isupper()} - {"EMAIL_BACKEND", "MAILERS"}
    return any(_names(getattr(settings._wrapped, name, None)) for name in names)


def _names(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_names(each) for each in value.values())
    if isinstance(value, (list, tuple, set)):
        return any(_names(each) for each in value)
    return isinstance(value, str) and value == BACKEND


def _read(name: str) -> Any:
    # Past the lazy settings object: from Django 6.1 on it warns the reader of a deprecated
    # setting, and the site that set it has been warned already.
    return getattr(settings._wrapped, name)


def configured(alias: str | None = None) -> dict[str, Any]:
    """Return the SMTP options that the site's settings give for a mailer; empty for none."""
    return mailer_options(alias) if uses_mailers() else email_settings()


def as_fields(options: Mapping[str, Any], *, alias: str | None = None) -> dict[str, Any]:
    """Translate options of Django's SMTP backend into the fields of a profile.

    Django's ``use_tls`` is STARTTLS, its ``use_ssl`` is TLS from the start. It logs in only where
    both username and password are given.
    """
    encryption = "none"
    if options.get("use_ssl"):
        encryption = "tls"
    elif options.get("use_tls"):
        encryption = "starttls"
    port = options.get("port")
    if port is None:
        # Django's EMAIL_PORT is 25 whatever the encryption; MAILERS choose by it.
        port = DEFAULT_PORTS[encryption] if alias or uses_mailers() else 25
    username, password = options.get("username") or "", options.get("password")
    if not isinstance(password, Secret):
        password = Secret(password or "")
    return {
        "host": options.get("host") or "localhost",
        "port": int(port),
        "encryption": encryption,
        "login": "password" if username and password.reveal() else "none",
        "username": username,
        "password": password,
        "timeout": options.get("timeout"),
        "certfile": options.get("ssl_certfile"),
        "keyfile": options.get("ssl_keyfile"),
        # The site's own code chose to send it this way.
        "allow_plaintext": True,
    }
