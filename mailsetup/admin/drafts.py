"""Values typed into the form and not saved, kept for some minutes for the test page.

They live in the user's session. A typed password is sealed, bound to the user, the draft and the
destination in force when it was typed: it opens for that destination only, and not for long.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import get_random_string

from mailsetup import conf, vault
from mailsetup.models.profile import Destination

SESSION_KEY = "mailsetup_drafts"
# A few tabs; older drafts give way.
MAX_DRAFTS = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed.

    Attributes:
        key: names the draft in addresses and forms.
        object_id: primary key of the profile being edited, as text; "" for a new one.
        fields: the values typed, the password aside.
        sealed: the password typed, sealed; "" where none was.
        removes_password: whether the stored password is to be removed.
        valid: whether the values passed the form's checks, so that they can be tested.
    """

    key: str
    object_id: str
    fields: Mapping[str, Any]
    sealed: str = ""
    removes_password: bool = False
    valid: bool = True


def keep(
    request: HttpRequest,
    *,
    object_id: str,
    fields: Mapping[str, Any],
    destination: Destination | None = None,
    secret: str = "",
    removes_password: bool = False,
    valid: bool = True,
) -> str:
    """Keep what was typed and return the draft's key.

    Args:
        request: its session keeps the draft.
        object_id: primary key of the profile being edited; "" for a new one.
        fields: the values typed; JSON must be able to hold them.
        destination: where the secret may be sent; needed together with one.
        secret: the password typed.
        removes_password: whether the stored password is to be removed.
        valid: whether the values passed the form's checks.

    Raises:
        ConfigurationError: the secret cannot be sealed with the keys of this site.
    """
    key = get_random_string(16)
    sealed = ""
    if secret and destination is not None:
        sealed = vault.seal(secret, bound_to=_binding(request, key, destination))
    drafts = _unexpired(request)
    drafts[key] = {
        "at": time.time(),
        "object_id": object_id,
        "fields": dict(fields),
        "sealed": sealed,
        "removes_password": removes_password,
        "valid": valid,
    }
    request.session[SESSION_KEY] = dict(list(drafts.items())[-MAX_DRAFTS:])
    return key


def find(request: HttpRequest, key: str) -> Draft | None:
    """Return a draft of this session; None where there is none of that key, or no longer."""
    kept = _unexpired(request).get(key)
    if kept is None:
        return None
    return Draft(key=key, **{name: value for name, value in kept.items() if name != "at"})


def secret_of(request: HttpRequest, draft: Draft, destination: Destination) -> str:
    """Return the password typed for a draft.

    Raises:
        SecretUnavailableError: it is too old, or was typed for another destination.
        ConfigurationError: a key of this site is not a key.
    """
    return vault.unseal(
        draft.sealed,
        bound_to=_binding(request, draft.key, destination),
        max_age=conf.option("DRAFT_SECONDS"),
    )


def forget(request: HttpRequest, key: str) -> None:
    """Drop a draft, once its values are saved."""
    if key in request.session.get(SESSION_KEY, {}):
        kept = request.session[SESSION_KEY]
        del kept[key]
        request.session[SESSION_KEY] = kept


def _unexpired(request: HttpRequest) -> dict[str, dict[str, Any]]:
    oldest = time.time() - conf.option("DRAFT_SECONDS")
    kept = request.session.get(SESSION_KEY, {})
    return {key: draft for key, draft in kept.items() if draft["at"] > oldest}


def _binding(request: HttpRequest, key: str, destination: Destination) -> dict[str, str]:
    # In place of the profile's UUID, which a new profile does not have yet.
    return destination.binding(f"draft {key}") | {"user": str(request.user.pk)}
