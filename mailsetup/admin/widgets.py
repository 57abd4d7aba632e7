"""The provider's field: a grouped list, and beside it what the chosen provider asks for.

Without JavaScript it is a plain ``<select>`` with a button that fills in the settings; the page's
script turns it into a field to search in.
"""

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from mailsetup import providers
from mailsetup.providers import Provider

KIND_LABELS = {
    "mailbox": gettext_lazy("Mailboxes"),
    "service": gettext_lazy("Sending services"),
    "test": gettext_lazy("For trying it out"),
    "other": gettext_lazy("Any other server"),
}
SECRET_LABELS = {
    "app_password": gettext_lazy("an app password"),
    "account_password": gettext_lazy("the password of the account"),
    "api_key": gettext_lazy("an API key"),
    "smtp_credentials": gettext_lazy("the SMTP username and password of the service"),
    "oauth2": gettext_lazy("no password: this provider accepts none"),
    "none": gettext_lazy("none"),
}


def provider_choices() -> list[Any]:
    """Return the choices of the provider's field, in groups, in the reader's language."""
    language = get_language() or "en"
    groups: dict[str, list[tuple[str, str]]] = {}
    for provider in providers.all_providers():
        choice = (provider.id, provider.text("name", language))
        groups.setdefault(provider.kind, []).append(choice)
    labelled = [(KIND_LABELS.get(kind, kind), choices) for kind, choices in groups.items()]
    return [("", _("Choose a provider")), *labelled]


def script_data() -> list[dict[str, Any]]:
    """Return what the page's script needs of the providers; their texts stand in the page."""
    wanted = ("id", "kind", "name", "keywords", "domains", "host", "hosts", "ports")
    wanted += ("fixed_username", "username_example", "needs_login", "strip_blanks")
    return [
        {name: each[name] for name in wanted} for each in providers.as_json(get_language() or "en")
    ]


class ProviderSelect(forms.Select):
    """A ``<select>`` of the providers, followed by one panel for each."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the list, the button for pages without JavaScript, and the panels."""
        language = get_language() or "en"
        return render_to_string(
            "mailsetup/provider.html",
            {
                "select": super().render(name, value, attrs, renderer),
                "chosen": value or "",
                "disabled": bool((attrs or {}).get("disabled")),
                "panels": [_panel(each, language) for each in providers.all_providers()],
            },
        )


def _panel(provider: Provider, language: str) -> dict[str, Any]:
    return {
        "id": provider.id,
        "name": provider.text("name", language),
        "username_hint": provider.text("username_hint", language),
        "username_example": provider.username_example,
        "secret_label": SECRET_LABELS.get(provider.secret_kind, ""),
        "secret_hint": provider.text("secret_hint", language),
        "secret_url": provider.secret_url,
        "makes_secret": provider.makes_secret,
        "steps": provider.steps_in(language),
        "limits": provider.text("limits", language),
        "notes": provider.text("notes", language),
        "warnings": provider.text("warnings", language),
        "hosts": provider.as_dict(language)["hosts"],
        "docs_url": provider.docs_url,
    }
