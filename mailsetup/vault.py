"""Seals secrets for storage and opens them again, for the place they were sealed for only.

What is sealed carries, inside the authenticated text, what it is *bound to*: a profile's UUID and
the destination that the secret may be sent to, or the user and destination of an unsaved test.
Opening it with another binding fails, so a ciphertext copied to another row, or a host changed
behind the form's back, never sends a password to a stranger's server.

Keys: those of ``MAILSETUP_KEYS`` first (the first one encrypts), then keys derived from
``SECRET_KEY`` and its fallbacks. Refused here: returning a ciphertext, or an empty string, in
place of a secret that cannot be opened.
"""

import base64
import json
from collections.abc import Mapping
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.utils.translation import gettext as _

from mailsetup import conf
from mailsetup.exceptions import ConfigurationError, SecretUnavailableError

_INFO = b"mailsetup.vault.1"


def generate_key() -> str:
    """Return a new key for ``MAILSETUP_KEYS``: 32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode()


def seal(secret: str, *, bound_to: Mapping[str, str]) -> str:
    """Encrypt a secret together with what it is bound to.

    Args:
        secret: the text to keep.
        bound_to: names and values that :func:`unseal` must be given again.

    Raises:
        ConfigurationError: a key in ``MAILSETUP_KEYS`` is not a Fernet key.
    """
    plain = json.dumps({"secret": secret, "bound_to": dict(bound_to)}, ensure_ascii=False)
    return _fernet().encrypt(plain.encode()).decode()


def unseal(token: str, *, bound_to: Mapping[str, str], max_age: int | None = None) -> str:
    """Return the secret that :func:`seal` encrypted for the same binding.

    Args:
        token: what :func:`seal` returned.
        bound_to: the binding as it is now.
        max_age: seconds after which the token is too old; None for no limit.

    Raises:
        SecretUnavailableError: no key opens it, it is too old, or the binding differs; then its
            ``changed`` names the parts that do.
        ConfigurationError: a key in ``MAILSETUP_KEYS`` is not a Fernet key.
    """
    fernet, secret, sealed_for = _fernet(), "", {}
    try:
        content = json.loads(fernet.decrypt(token.encode(), ttl=max_age))
        secret, sealed_for = content["secret"], content["bound_to"]
        del content
    except InvalidToken:
        raise SecretUnavailableError from None
    changed = [name for name, value in bound_to.items() if sealed_for.get(name) != value]
    if changed or len(sealed_for) != len(bound_to):
        # The frame of a raise is shown on debug pages, with its variables.
        del secret
        raise SecretUnavailableError(changed=changed or ["binding"])
    return str(secret)


def seal_bytes(data: bytes, *, bound_to: Mapping[str, str]) -> bytes:
    """Encrypt octets, a mail's content say, together with what they are bound to.

    Args:
        data: the octets to keep.
        bound_to: names and values that :func:`unseal_bytes` must be given again.

    Raises:
        ConfigurationError: a key in ``MAILSETUP_KEYS`` is not a Fernet key.
    """
    token = _fernet().encrypt(_binding_line(bound_to) + data)
    # Base64 would make it a third larger.
    return base64.urlsafe_b64decode(token)


def unseal_bytes(sealed: bytes, *, bound_to: Mapping[str, str]) -> bytes:
    """Return the octets that :func:`seal_bytes` encrypted for the same binding.

    Raises:
        SecretUnavailableError: no key opens them, or they were sealed for something else.
        ConfigurationError: a key in ``MAILSETUP_KEYS`` is not a Fernet key.
    """
    try:
        plain = _fernet().decrypt(base64.urlsafe_b64encode(sealed))
    except InvalidToken:
        raise SecretUnavailableError from None
    line = _binding_line(bound_to)
    if not plain.startswith(line):
        del plain
        raise SecretUnavailableError(changed=["binding"])
    return plain[len(line) :]


def reseal_bytes(sealed: bytes) -> bytes:
    """Encrypt sealed octets anew with the first key; their binding stays.

    Raises:
        SecretUnavailableError: no key opens them.
    """
    try:
        return base64.urlsafe_b64decode(_fernet().rotate(base64.urlsafe_b64encode(sealed)))
    except InvalidToken:
        raise SecretUnavailableError from None


def bytes_have_first_key(sealed: bytes) -> bool:
    """Tell whether the encrypting key of today sealed these octets."""
    try:
        _fernets()[0].decrypt(base64.urlsafe_b64encode(sealed))
    except InvalidToken:
        return False
    return True


def _binding_line(bound_to: Mapping[str, str]) -> bytes:
    return json.dumps(dict(sorted(bound_to.items()))).encode() + b"\n"


def reseal(token: str) -> str:
    """Encrypt a token anew with the first key; its binding and its age stay.

    Raises:
        SecretUnavailableError: no key opens it.
    """
    try:
        return _fernet().rotate(token.encode()).decode()
    except InvalidToken:
        raise SecretUnavailableError from None


def time_mark(token: str) -> str:
    """Return what differs with each second of :func:`seal`, and stays through :func:`reseal`.

    It is the readable head of a Fernet token, version and time: nothing of the secret.
    """
    return token[:12]


def sealed_with_first_key(token: str) -> bool:
    """Tell whether the encrypting key of today sealed this token."""
    try:
        _fernets()[0].decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def _fernet() -> MultiFernet:
    return MultiFernet(_fernets())


def _fernets() -> list[Fernet]:
    fernets, wrong = _keys(tuple(conf.configured_keys()), tuple(conf.secret_keys()))
    if wrong:
        # Raised here, where no variable holds a key, and telling its place only: debug pages
        # show both.
        raise ConfigurationError(
            _(
                "Key %(number)d of MAILSETUP_KEYS is not a valid key. Bring back the whole one if "
                "it was cut off while copying: what it sealed needs it. Make a new one with: "
                "manage.py mailsetup_generate_key"
            )
            % {"number": wrong}
        )
    return fernets


@lru_cache(maxsize=4)
def _keys(configured: tuple[str, ...], secret_keys: tuple[str, ...]) -> tuple[list[Fernet], int]:
    """Return the keys, or the position of the first one that is none, counted from 1."""
    fernets = []
    for position, key in enumerate(configured, start=1):
        try:
            fernets.append(Fernet(key))
        except ValueError:
            return [], position
    return [*fernets, *(Fernet(_derive(key)) for key in secret_keys)], 0


def _derive(secret_key: str) -> bytes:
    # HKDF, not a slow hash: SECRET_KEY is random already, and this runs in the sending path.
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO)
    return base64.urlsafe_b64encode(kdf.derive(secret_key.encode()))
