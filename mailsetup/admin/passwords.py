"""The part of the form that deals with the password: what may be kept, and what is asked again.

A stored password belongs to a destination. Where the one in force differs, by the form, by a
variable or in a copy, or where no key opens it, the password has to be typed again.
"""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.debug import sensitive_variables

from mailsetup import providers
from mailsetup.admin import drafts, status
from mailsetup.effective import Effective, Origin
from mailsetup.exceptions import ConfigurationError, SecretUnavailableError
from mailsetup.smtp.account import Secret


def hide_from_reports(request: HttpRequest) -> None:
    """Hide what is marked as sensitive in a report of an error too, be DEBUG on or off."""
    base = type(get_default_exception_reporter_filter())
    hiding = type("HidingFilter", (base,), {"is_active": lambda self, request: True})
    request.exception_reporter_filter = hiding()


class PasswordRules:
    """What :class:`mailsetup.admin.forms.SMTPProfileForm` does with its password."""

    @property
    def draft_key(self) -> str:
        """The key of the draft whose password this page may use; "" for none."""
        if self.is_bound:
            return self.data.get("_draft", "")
        return self.draft.key if self.draft and self.draft.sealed else ""

    def _describe_password(self) -> None:
        field, removal = self.fields["password"], self.fields["remove_password"]
        stored = bool(self.instance.password_sealed)
        if "password" in self.locked or not stored:
            removal.disabled, removal.widget = True, forms.HiddenInput()
        if "password" in self.locked:
            return
        if self.draft and self.draft.sealed:
            field.help_text = _(
                "The password you typed is kept for a few minutes. Leave this empty to use it."
            )
        elif stored:
            field.help_text = _("A password is stored. Leave this empty to keep it.")
            if not self.is_bound and (problem := self._stored_problem(self.in_force)):
                field.help_text = format_html(
                    '<strong class="mailsetup-alert">{}</strong>', problem
                )
        if self.draft and self.draft.removes_password:
            removal.initial = True

    def _stored_problem(self, profile: Effective) -> str:
        """Return why the stored password does not open for the destination in force."""
        if profile["login"] == "none":
            return ""
        try:
            self.instance.get_password(profile.destination)
        except SecretUnavailableError as error:
            if names := status.changed_fields(error):
                return _(
                    "Enter the password again: it was entered for other settings (%(fields)s)."
                ) % {"fields": names}
            return _(
                "Enter the password again: the stored one cannot be opened with the keys of "
                "this site."
            )
        except ConfigurationError as error:
            return str(error)
        return ""

    @sensitive_variables()
    def _check_password(self, cleaned: dict[str, Any]) -> None:
        """Settle which password will be used, and ask for it where none may be."""
        if self.in_force.values["password"].origin == Origin.ENVIRONMENT:
            return
        typed, removes = cleaned.get("password"), cleaned.get("remove_password")
        if typed and removes:
            self.add_error(
                "password", _("Either type a new password or tick “Remove password”, not both.")
            )
        elif typed:
            provider = providers.get(cleaned.get("provider") or "")
            provider = provider or providers.for_host(
                self.in_force["host"], self.in_force["username"]
            )
            value, changed = providers.normalize_secret(provider, typed)
            self.secret = Secret(value)
            if changed:
                self.notes.append(_("The blanks in the app password were taken out."))
            elif provider and provider.strip_blanks and providers.misses_letters(value):
                self.warnings.append(
                    _(
                        "An app password of Google has %(number)s letters, what was typed has not. "
                        "Google refuses the password of the account itself."
                    )
                    % {"number": providers.APP_PASSWORD_LENGTH}
                )
        elif removes or self._take_draft_secret():
            return
        elif self.instance.password_sealed:
            if problem := self._stored_problem(self.in_force):
                self._ask_again(problem)
        elif self.instance._state.adding and self.in_force["login"] != "none":
            self.add_error("password", self._missing_password())

    def _ask_for_missing(self, cleaned: dict[str, Any]) -> None:
        """Ask a new profile for its password together with the other errors."""
        from_environment = self.in_force.values["password"].origin == Origin.ENVIRONMENT
        needed = self.instance._state.adding and self.in_force["login"] != "none"
        if needed and not (from_environment or self.draft_key or cleaned.get("password")):
            self.add_error("password", self._missing_password())

    def _ask_again(self, problem: str) -> None:
        """Ask for the stored password, or only tell of it where nothing will be sent anyway.

        What is sealed stays as it is: it opens for its own destination, with its own key, or never.
        """
        if self.in_force["active"] and not self.in_force["do_not_send"]:
            self.add_error("password", problem)
            return
        self.warnings.append(
            _("Saved without a usable password: it has to be entered again before this can send.")
        )

    def _missing_password(self) -> str:
        if "_saveasnew" in self.data:
            return _("Enter the password again: a copy does not take it along.")
        return _("Type the password, or choose “No login” under “authentication”.")

    @sensitive_variables()
    def _take_draft_secret(self) -> bool:
        """Use the password typed before the test, where the destination is still the same."""
        if not self.draft_key:
            return False
        if self.draft is None:
            # Going on without it would keep the old password, unnoticed.
            self.add_error("password", self._draft_gone())
            return True
        try:
            value = drafts.secret_of(self.request, self.draft, self.in_force.destination)
        except SecretUnavailableError as error:
            names = status.changed_fields(error)
            self.add_error(
                "password",
                _("Enter the password again: these settings changed since (%(fields)s).")
                % {"fields": names}
                if names
                else self._draft_gone(),
            )
        except ConfigurationError as error:
            self.add_error("password", str(error))
        else:
            self.secret = Secret(value)
        return True

    def _draft_gone(self) -> str:
        return _("Enter the password again: it was kept for a few minutes only.")

    @sensitive_variables()
    def keep_draft(self) -> str:
        """Keep the checked values in the session, the password sealed; return the draft's key.

        Raises:
            ConfigurationError: the password cannot be sealed with the keys of this site.
        """
        cleaned = self.cleaned_data
        return drafts.keep(
            self.request,
            object_id=str(self.instance.pk or ""),
            fields={name: cleaned[name] for name in self.Meta.fields if name in cleaned},
            destination=self.in_force.destination,
            secret=self.secret.reveal() if self.secret else "",
            removes_password=bool(cleaned.get("remove_password")),
        )

    @sensitive_variables()
    def _seal(self) -> None:
        try:
            if self.secret is not None:
                self.instance.set_password(self.secret.reveal(), self.in_force.destination)
            elif self.cleaned_data.get("remove_password"):
                self.instance.set_password("")
        except ConfigurationError as error:
            self.add_error("password", str(error))
