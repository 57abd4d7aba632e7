"""Providers: presets for a profile (Gmail, Microsoft 365, a sending service …), data and no code.

This room reads ``data/providers.json`` when it is first asked, answers questions about it (which
provider has this address, this host?) and cleans a pasted Google app password. A site may add
entries of its own with `register` or `load_file`.

It refuses to know Django, to open a connection, and to judge the file at import: the file is
checked by the tests. A preset is a proposal; nothing here enforces a limit or overwrites a value.

The shape of an entry, with what it means, is that of `Provider.from_dict`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

__all__ = [
    "Host",
    "Mailbox",
    "Port",
    "Provider",
    "all_providers",
    "as_choices",
    "as_json",
    "for_host",
    "for_username",
    "get",
    "load_file",
    "misses_letters",
    "normalize_secret",
    "register",
]

DATA = Path(__file__).parent / "data" / "providers.json"

# How to secure the connection; the words of ``mailsetup.smtp.account.Encryption``.
EncryptionWord = Literal["tls", "starttls", "none"]
# What to enter as the secret. "oauth2": no password works there; "none": there is no login.
SecretKind = Literal[
    "app_password", "account_password", "api_key", "smtp_credentials", "oauth2", "none"
]
# A mailbox of a person or company, a sending service, a catcher for trials, or anything else.
Kind = Literal["mailbox", "service", "test", "other"]
# Signing in with Google or Microsoft: "soon" means that passwords are being switched off there.
OAuth2 = Literal["no", "optional", "soon", "required"]

TEXTS = ("username_hint", "secret_hint", "limits", "notes", "warnings")
SOURCE_LANGUAGE = "en"

# A Google app password: 16 letters, shown and often pasted in groups of four.
APP_PASSWORD_LENGTH = 16
# Blanks that `str.isspace` does not count; web pages and chats carry them along in a copy.
INVISIBLE = frozenset("\u180e\u200b\u200c\u200d\u2060\ufeff")

Text = Mapping[str, str]
Steps = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Port:
    """A port the provider listens on, and how the connection is secured there."""

    port: int
    encryption: EncryptionWord


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where the provider's mailboxes are read by IMAP."""

    host: str
    port: int
    encryption: EncryptionWord


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One of several SMTP servers of a provider: a region, or a stream of mail."""

    id: str
    host: str
    label: Text = field(default_factory=dict, hash=False)
    imap_host: str = ""
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A preset for a profile.

    `ports` has the recommended one first. `hosts` is empty where `host` is the only server, else
    its first entry is `host`. A domain that starts with a dot stands for all its subdomains.
    `keywords` are further words to find the entry by, lower case and without diacritics.
    `fixed_username` is the username every customer has, "" where it differs. Texts are read with
    `text` and `steps_in`; an unpublished limit (`max_connections` …) is None.
    """

    id: str
    name: str
    host: str
    ports: tuple[Port, ...]
    kind: Kind = "mailbox"
    keywords: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()
    username_example: str = ""
    fixed_username: str = ""
    secret_kind: SecretKind = "account_password"  # noqa: S105 - the kind, no secret
    secret_url: str = ""
    strip_blanks: bool = False
    max_connections: int | None = None
    messages_per_connection: int | None = None
    oauth2: OAuth2 = "no"
    idempotency_header: str = ""
    imap: Mailbox | None = None
    docs_url: str = ""
    as_of: str = ""
    texts: Mapping[str, Text] = field(default_factory=dict, hash=False, repr=False)
    steps: Steps = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Provider:
        """Make a provider of an entry as ``data/providers.json`` has them.

        A text is ``{"en": …, "vi": …}``, or a plain string where it is a name that needs no
        translation. ``id``, ``name``, ``host`` and ``ports`` are needed; null means the default.
        Raises KeyError for a missing key and TypeError for one that is not known.
        """
        given = {key: value for key, value in entry.items() if value is not None}
        name = _text(given["name"])
        texts = {key: _text(given.pop(key)) for key in TEXTS if key in given}
        steps = {language: tuple(lines) for language, lines in given.pop("steps", {}).items()}
        imap = given.pop("imap", None)
        return cls(
            **given
            | {key: tuple(given.get(key, ())) for key in ("keywords", "domains")}
            | {
                "name": name[SOURCE_LANGUAGE],
                "ports": tuple(Port(**port) for port in given["ports"]),
                "hosts": tuple(_host(host) for host in given.get("hosts", ())),
                "imap": Mailbox(**imap) if imap else None,
                "texts": MappingProxyType({"name": name, **texts}),
                "steps": MappingProxyType(steps),
            }
        )

    @property
    def needs_login(self) -> bool:
        """Whether the server asks for a username and a secret."""
        return self.secret_kind != "none"  # noqa: S105 - the kind, no secret

    @property
    def makes_secret(self) -> bool:
        """Whether the secret is made for this site, rather than being the account's password."""
        return self.secret_kind in {"app_password", "api_key", "smtp_credentials"}

    @property
    def password_works(self) -> bool:
        """Whether a password, key or token can sign in at all (where not, only OAuth2 can)."""
        return self.oauth2 != "required"

    def text(self, name: str, language: str = SOURCE_LANGUAGE) -> str:
        """Return a text (``name`` or one of `TEXTS`) in the language, else in English, else ""."""
        if name != "name" and name not in TEXTS:
            raise ValueError(f"A provider has no text {name!r}; it has name, {', '.join(TEXTS)}.")
        fallback = self.name if name == "name" else ""
        return _in_language(self.texts.get(name, {}), language) or fallback

    def steps_in(self, language: str = SOURCE_LANGUAGE) -> tuple[str, ...]:
        """Return the steps that lead to the secret, in order; empty where none are needed."""
        return _in_language(self.steps, language) or ()

    def host_for(self, username: str) -> str:
        """Return the SMTP server for this username: that of its region, else the usual one."""
        domain = _domain(username)
        for host in self.hosts:
            if _covers(host.domains, domain):
                return host.host
        return self.host

    def covers(self, domain: str) -> bool:
        """Tell whether addresses at this mail domain, in lower case, are this provider's."""
        return _covers(self.domains, domain)

    def as_dict(self, language: str = SOURCE_LANGUAGE) -> dict[str, Any]:
        """Return what a page needs of the provider, in one language, ready for JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "keywords": list(self.keywords),
            "domains": list(self.domains),
            "host": self.host,
            "hosts": [
                {
                    "host": host.host,
                    "label": _in_language(host.label, language) or host.id,
                    "domains": list(host.domains),
                }
                for host in self.hosts
            ],
            "ports": [{"port": port.port, "encryption": port.encryption} for port in self.ports],
            "username_example": self.username_example,
            "fixed_username": self.fixed_username,
            "needs_login": self.needs_login,
            "password_works": self.password_works,
            "secret_kind": self.secret_kind,
            "secret_url": self.secret_url,
            "strip_blanks": self.strip_blanks,
            "docs_url": self.docs_url,
            "as_of": self.as_of,
            "steps": list(self.steps_in(language)),
            **{name: self.text(name, language) for name in ("name", *TEXTS)},
        }


def all_providers() -> tuple[Provider, ...]:
    """Return every provider: those the site registered, then ours, "other" at the end."""
    registered = dict(_registered)
    ours = (provider for provider in _packaged() if provider.id not in registered)
    return (*registered.values(), *ours)


def get(provider_id: str) -> Provider | None:
    """Return the provider of that id, None if there is none."""
    return next((each for each in all_providers() if each.id == provider_id), None)


def for_username(username: str) -> Provider | None:
    """Return the provider whose mail domain the username has ("someone@gmail.com" → Gmail)."""
    domain = _domain(username)
    return next((each for each in all_providers() if each.covers(domain)), None)


def for_host(host: str, username: str = "") -> Provider | None:
    """Return the provider with that SMTP server, regional ones included.

    Where two share it (Gmail and Google Workspace), the username decides: its domain's provider,
    and for a domain that none of them has, the one for domains of one's own. Without a username
    the first is returned.
    """
    wanted = host.strip().rstrip(".").lower()
    sharing = [each for each in all_providers() if wanted and wanted in _hosts(each)]
    domain = _domain(username)
    if domain:
        by_domain = [each for each in sharing if each.covers(domain)]
        sharing = by_domain or [each for each in sharing if not each.domains] or sharing
    return sharing[0] if sharing else None


def normalize_secret(provider: Provider | None, secret: str) -> tuple[str, bool]:
    """Take the blanks out of a pasted Google app password.

    Returns the secret to use and whether it was changed, so that a form can say so. Only a
    provider with `strip_blanks`, and only what is 16 letters without its blanks, is touched: any
    other secret may have blanks that belong to it.
    """
    if provider is None or not provider.strip_blanks:
        return secret, False
    letters = _without_blanks(secret)
    if misses_letters(letters):
        return secret, False
    return letters, letters != secret


def misses_letters(secret: str) -> bool:
    """Tell whether a secret cannot be a Google app password, which is 16 letters."""
    letters = _without_blanks(secret)
    return len(letters) != APP_PASSWORD_LENGTH or not (letters.isascii() and letters.isalpha())


def _without_blanks(secret: str) -> str:
    return "".join(each for each in secret if not each.isspace() and each not in INVISIBLE)


def as_choices(language: str = SOURCE_LANGUAGE) -> list[tuple[str, str]]:
    """Return ``(id, name)`` pairs in the order of `all_providers`, as a form's choices."""
    return [(each.id, each.text("name", language)) for each in all_providers()]


def as_json(language: str = SOURCE_LANGUAGE) -> list[dict[str, Any]]:
    """Return what the page's script needs of all providers, in one language, ready for JSON."""
    return [each.as_dict(language) for each in all_providers()]


def register(provider: Provider) -> None:
    """Add a provider of the site's own, at the top of the list.

    An entry of the same id, ours included, is replaced, so that registering twice is harmless.
    For code that runs at start-up, such as an ``AppConfig.ready``.
    """
    _registered[provider.id] = provider


def load_file(path: str | Path) -> tuple[Provider, ...]:
    """Register every provider of a JSON file shaped like ``data/providers.json``.

    Returns them. Raises OSError if the file cannot be read, ValueError if it is no such file;
    then none of its entries is registered.
    """
    loaded = _read(Path(path))
    for provider in loaded:
        register(provider)
    return loaded


_registered: dict[str, Provider] = {}


@cache
def _packaged() -> tuple[Provider, ...]:
    return _read(DATA)


def _read(path: Path) -> tuple[Provider, ...]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["providers"]
        return tuple(Provider.from_dict(entry) for entry in entries)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no file of providers: {error!r}") from error


def _text(value: str | Mapping[str, str]) -> Text:
    return MappingProxyType({SOURCE_LANGUAGE: value} if isinstance(value, str) else dict(value))


def _host(entry: Mapping[str, Any]) -> Host:
    label, domains = _text(entry["label"]), tuple(entry.get("domains", ()))
    return Host(**{**entry, "label": label, "domains": domains})


def _in_language(texts: Mapping[str, Any], language: str) -> Any:
    base = language.replace("_", "-").partition("-")[0].lower()
    return texts.get(base) or texts.get(SOURCE_LANGUAGE)


def _domain(username: str) -> str:
    return username.strip().rpartition("@")[2].rstrip(".").lower() if "@" in username else ""


def _covers(domains: Iterable[str], domain: str) -> bool:
    return any(
        domain.endswith(each) if each.startswith(".") else domain == each for each in domains
    )


def _hosts(provider: Provider) -> set[str]:
    return {provider.host, *(host.host for host in provider.hosts)}
