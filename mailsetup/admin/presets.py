"""What the form fills in by itself: a provider's server, the port of an encryption, a name.

Nothing that was typed is overwritten.
"""

from collections.abc import Container, Mapping
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from mailsetup import providers
from mailsetup.effective import Effective
from mailsetup.models.profile import DEFAULT_PORTS
from mailsetup.providers import Provider


def complete(cleaned: dict[str, Any], *, frozen: Container[str]) -> list[str]:
    """Fill in what was left empty, and return what was filled in, as sentences for the user.

    Args:
        cleaned: the form's values; changed in place.
        frozen: the fields that a variable sets.
    """
    notes = []
    host, username = cleaned.get("host", ""), cleaned.get("username", "")
    provider = providers.get(cleaned.get("provider") or "")
    if provider is None:
        # A host that failed its check is absent: then nothing is guessed.
        if host:
            provider = providers.for_host(host, username)
            # "localhost" may be anything, not only the catcher for trials.
            provider = provider if provider and provider.kind != "test" else None
        elif "host" in cleaned and "host" not in frozen:
            provider = providers.for_username(username)
        if provider is not None:
            cleaned["provider"] = provider.id
    empty = "host" in cleaned and not host and "host" not in frozen
    if provider is not None and empty and fill_in(cleaned, provider, frozen=frozen):
        words = {
            "provider": provider.text("name", get_language() or "en"),
            "host": cleaned["host"],
            "port": cleaned.get("port"),
        }
        notes.append(
            _("The server of %(provider)s was filled in: %(host)s, port %(port)s.") % words
        )
    if provider is not None and provider.fixed_username and "username" in cleaned:
        cleaned["username"] = username or provider.fixed_username
    if "port" in cleaned and cleaned["port"] is None and "encryption" in cleaned:
        cleaned["port"] = DEFAULT_PORTS[cleaned["encryption"]]
    return notes


def fill_in(values: dict[str, Any], provider: Provider, *, frozen: Container[str] = ()) -> bool:
    """Put a provider's server into a form's values; tell whether it has one.

    Args:
        values: host, port, encryption, login and username are changed in place. A port that is
            there decides which of the provider's ports to take; else the encryption does.
        provider: the preset.
        frozen: fields to leave alone.
    """
    host = provider.host_for(values.get("username") or "")
    if not host or not provider.ports:
        return False
    wanted = values.get("port"), values.get("encryption")
    pairs = [(each.port, each.encryption) for each in provider.ports]
    best = [pair for pair in pairs if pair == wanted]
    if wanted[0] is None:
        best = [pair for pair in pairs if pair[1] == wanted[1]]
    port, encryption = (best or pairs)[0]
    filled = {"host": host, "port": port, "encryption": encryption}
    if not provider.needs_login:
        filled["login"] = "none"
    if provider.fixed_username and not values.get("username"):
        filled["username"] = provider.fixed_username
    values.update({name: value for name, value in filled.items() if name not in frozen})
    return True


def doubts(values: Effective) -> list[str]:
    """Return what is allowed and most likely a slip, as sentences for the user.

    Args:
        values: those in force once they are saved.
    """
    found = []
    pair = values["port"], values["encryption"]
    provider = providers.for_host(values["host"], values["username"])
    offered = {(each.port, each.encryption) for each in provider.ports} if provider else set()
    if pair in {(465, "starttls"), (465, "none")} - offered:
        found.append(
            _("Port 465 wants TLS from the start. If the test fails, choose TLS, or port 587.")
        )
    if pair in {(587, "tls"), (25, "tls")} - offered:
        found.append(
            _(
                "Port %(port)s wants STARTTLS, not TLS from the start. If the test fails, choose "
                "STARTTLS, or port 465."
            )
            % {"port": pair[0]}
        )
    username = values["username"] if values["login"] != "none" else ""
    if "@" in username and any(letter.isspace() for letter in username):
        found.append(_("There is a blank in the username. Is it meant to be there?"))
    return found


def propose_slug(values: Mapping[str, Any], taken: set[str]) -> str:
    """Return a free name for a profile: its provider's, or its host's.

    Args:
        values: the form's values.
        taken: the names of the other profiles.
    """
    stem = (values.get("provider") or "").replace("_", "-")
    if stem in {"", "other"}:
        labels = [label for label in (values.get("host") or "").lower().split(".") if label]
        stem = labels[-2] if len(labels) > 1 and not labels[-1].isdigit() else "mail"
    stem = "".join(
        letter for letter in stem if letter.isascii() and (letter.isalnum() or letter == "-")
    )
    stem = stem.strip("-")[:40] or "mail"
    names = {name.lower().replace("_", "-") for name in taken}
    number, slug = 1, stem
    while slug in names:
        number += 1
        slug = f"{stem}-{number}"
    return slug
