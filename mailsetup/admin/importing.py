"""Makes a profile of Django's own mail settings, once, for a site that has none yet."""

from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from mailsetup import providers
from mailsetup.admin import presets, status
from mailsetup.effective import django_settings
from mailsetup.exceptions import InvalidProfileError
from mailsetup.models import SMTPProfile
from mailsetup.models.profile import needs_plaintext_consent

# Django's defaults, which no mail server takes as a sender.
STOCK_SENDERS = {"webmaster@localhost", "root@localhost", ""}


@sensitive_variables()
def import_from_settings() -> tuple[SMTPProfile, list[str]]:
    """Store a profile made of the site's settings.

    Returns:
        the profile, and what could not be taken along, as sentences.

    Raises:
        InvalidProfileError: a setting cannot be used.
        ConfigurationError: the password cannot be sealed with the keys of this site.
    """
    fields = django_settings.as_fields(django_settings.configured())
    password, notes = fields.pop("password").reveal(), []
    if fields.pop("certfile") or fields.pop("keyfile"):
        notes.append(_("The client certificate was not taken along: a profile has none."))
    fields.pop("keyfile", None)
    row = SMTPProfile(is_default=True, **_usable(fields))
    row.slug = presets.propose_slug({"provider": row.provider, "host": row.host}, set())
    try:
        row.full_clean(exclude=["is_default"])
    except ValidationError as error:
        name, sentences = next(iter(error.message_dict.items()))
        raise InvalidProfileError(
            _("The site's settings cannot be imported. %(field)s: %(problem)s")
            % {"field": status.field_label(name), "problem": sentences[0]}
        ) from None
    profile = status.in_force(row)
    if password and "password" not in profile.locked:
        row.set_password(password, profile.destination)
    row.save()
    return row, notes


def _usable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a row: the sender added, defaults where the settings have none."""
    found = {name: value for name, value in fields.items() if value is not None}
    provider = providers.for_host(found["host"], found["username"])
    port = (found["port"], found["encryption"])
    if provider and port not in {(one.port, one.encryption) for one in provider.ports}:
        # The same host at another port is another server: a site's own Postfix is no Mailpit.
        provider = None
    found["provider"] = provider.id if provider else ""
    if "timeout" in found:
        found["timeout"] = max(1, round(found["timeout"]))
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    if address not in STOCK_SENDERS:
        found |= {"from_email": address, "from_name": name}
    # The site chose each mail's sender until now, and goes on doing so.
    found["force_from_email"] = False
    found["allow_plaintext"] = needs_plaintext_consent(
        encryption=found["encryption"], login=found["login"], host=found["host"]
    )
    return found
