"""What visitors do again and again, and the words that they expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import translation
from django.utils.translation import gettext

from tests.browser.site import ADD, Site

if TYPE_CHECKING:
    from tests.browser.window import Window

SENT = "Test HTML email was sent successfully! Please check your inbox to make sure it is delivered"
CHECKED = "The connection works. Nothing was sent."
FAILED = "There was a problem while sending the test email."
TITLE = "#mailsetup-result-title"
LOCALES = {"en": "en-US", "vi": "vi-VN"}
VISITOR = {"name": "Nguyễn Thị Ánh", "email": "anh@khach.example"}


def words(text: str, language: str) -> str:
    """Return a text of the site in a language; in Vietnamese it must not be the English one."""
    with translation.override(language):
        found = gettext(text)
    assert language == "en" or found != text, f"not translated: {text}"
    return found


def sign_in(window: Window, site: Site, username: str = "admin") -> None:
    """Sign in to the admin by its own page."""
    window.goto("admin/")
    window.control("username").fill(username)
    window.control("password").fill(site.admin_password)
    window.press("[type=submit]")


def choose_provider(window: Window, text: str) -> None:
    """Search a provider and take the first one found."""
    window.find("#id_provider_search").fill(text)
    window.find("#id_provider_list [role=option]").first.click()


def type_account(window: Window, site: Site, **values: str) -> None:
    """Fill in the form for a new profile with the demo's account.

    Args:
        values: what to type instead, by field.
    """
    window.goto(ADD)
    choose_provider(window, "demo")
    values = {"username": site.username, "password": site.password, **values}
    for name, value in values.items():
        window.control(name).fill(value)
    site.secrets.append(values["password"])


def save_account(window: Window, site: Site, button: str = "_save", **values: str) -> None:
    """Store the demo's account."""
    type_account(window, site, **values)
    window.press(f"[name={button}]")


def errors_at(window: Window, field: str) -> list[str]:
    """Return the errors that stand at a field of the form."""
    return window.find(f".field-{field} .errorlist li").all_inner_texts()


def send_form(window: Window, name: str, *, sees: str = ".message.success", **values: str) -> None:
    """Fill in and send one of the shop's forms.

    Args:
        name: of the form.
        sees: what the visitor sees then, a selector.
        values: what to type besides the visitor's name and address, by field.
    """
    window.goto("")
    for field, value in (VISITOR | values).items():
        window.find(f"#{name}_{field}").fill(value)
    window.press(f"#{name} button[type=submit]")
    assert window.find(sees).count() == 1
