"""The form of a profile: what it locks, fills in and asks for again.

Fields that a variable sets are read-only and the row's own values under them stay as they are. A
password is never rendered; it is sealed for the destination in force once the form is saved.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import validate_slug
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from mailsetup import effective
from mailsetup.admin import drafts, presets, status
from mailsetup.admin.passwords import PasswordRules
from mailsetup.admin.widgets import ProviderSelect, provider_choices
from mailsetup.delivery.compose import PLACEHOLDER_SENDERS
from mailsetup.effective import Effective, environment
from mailsetup.models import SMTPProfile
from mailsetup.models.profile import Destination, needs_plaintext_consent
from mailsetup.models.validators import validate_ca, validate_name, validate_no_control
from mailsetup.smtp.account import Secret

MAX_CA_BYTES = 200_000


def becomes_default(row: SMTPProfile, ticked: bool, active: bool) -> bool:
    """Tell whether a profile is the default one once it is saved."""
    others = SMTPProfile.objects.exclude(pk=row.pk)
    return ticked or (active and not others.filter(is_default=True).exists())


def _certificate_text(upload: UploadedFile) -> str:
    if upload.size > MAX_CA_BYTES:
        raise forms.ValidationError(
            _(
                "This file is larger than %(limit)s kB. Give only the certificate of your own "
                "authority; the public ones are trusted anyway."
            )
            % {"limit": MAX_CA_BYTES // 1000}
        )
    # With or without a byte order mark; the comments in it may be in any language.
    return upload.read().decode("utf-8-sig")


class SMTPProfileForm(PasswordRules, forms.ModelForm):
    """One profile.

    Attributes:
        request: set by the admin; its session holds the drafts.
        locked: the fields that a variable sets, each with the variable's name.
        in_force: the values in force, and once the form is valid, those it leads to.
        secret: the password typed, or None.
        notes: what was filled in or changed, as sentences for the user.
        warnings: what is still to be done before it can send, likewise.
    """

    request: HttpRequest | None = None

    provider = forms.ChoiceField(
        label=gettext_lazy("Provider"), required=False, widget=ProviderSelect
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        max_length=1000,
        validators=[validate_no_control],
        # No render_value: what is stored or typed never comes back.
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"}),
    )
    remove_password = forms.BooleanField(
        label=gettext_lazy("Remove password"),
        required=False,
        help_text=gettext_lazy("Delete the stored password when saving."),
    )
    ca_file = forms.FileField(
        label=gettext_lazy("CA certificate from a file"),
        required=False,
        help_text=gettext_lazy("A PEM file; its text replaces the text above."),
    )

    class Meta:
        model = SMTPProfile
        fields = [
            "provider",
            "host",
            "encryption",
            "port",
            "allow_plaintext",
            "login",
            "username",
            "from_email",
            "force_from_email",
            "from_name",
            "force_from_name",
            "verify",
            "ca",
            "return_path",
            "reply_to",
            "ehlo_name",
            "timeout",
            "in_flight",
            "slug",
            "active",
            "is_default",
            "do_not_send",
        ]
        help_texts = {
            "sending": gettext_lazy(
                "In the background a mail is stored first, is tried again by itself, and takes no "
                "visitor's time; a worker or a thread of the site delivers it."
            ),
            "log": gettext_lazy("Sending a mail again later needs its content."),
        }
        error_messages = {
            "slug": {
                "unique": gettext_lazy(
                    "Another profile has this name already. Choose another name."
                )
            }
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.secret: Secret | None = None
        self.locked: dict[str, str] = {}
        self.draft = self._find_draft()
        if "host" not in self.fields:
            # The page for those who may only look has no fields to type into.
            return
        self.fields["provider"].choices = provider_choices()
        for name in ("host", "port", "slug"):
            # Left empty they are filled in, or asked for by a sentence of ours.
            self.fields[name].required = False
        self._word_numbers()
        # In place of Django's sentence on slugs, which the model keeps.
        slug = self.fields["slug"]
        slug.validators = [validate_name, *(v for v in slug.validators if v is not validate_slug)]
        names = SMTPProfile.objects.values_list("slug", flat=True)
        # For the page's script, which proposes a name to a new profile only.
        self.fields["slug"].widget.attrs |= (
            {"data-taken": " ".join(names)} if self.instance._state.adding else {"data-stored": "1"}
        )
        if self.draft and not self.is_bound:
            self.initial.update(self.draft.fields)
        elif self.instance._state.adding and not self.is_bound:
            # Empty means: the port of the encryption. A number here would be taken for typed.
            self.initial["port"] = None
            self.initial["is_default"] = becomes_default(self.instance, ticked=False, active=True)
        self.in_force = self._current()
        self._lock()
        self._describe_password()

    def _word_numbers(self) -> None:
        """Let a number that is none get the sentence that the model has for a wrong one."""
        numbers = {"port": (1, 65535), "timeout": (1, 300), "in_flight": (1, 50)}
        for name, limits in numbers.items():
            field = self.fields[name]
            field.error_messages["invalid"] = (
                SMTPProfile._meta.get_field(name).validators[0].message
            )
            # The model checks the range, with that sentence.
            field.validators = []
            field.widget.attrs |= dict(zip(("min", "max"), limits, strict=True))

    # -- What is in force, and what is locked by it.

    def _find_draft(self) -> drafts.Draft | None:
        """Return the draft that this page continues."""
        if self.request is None:
            return None
        asked = self.data.get("_draft") if self.is_bound else self.request.GET.get("draft")
        draft = drafts.find(self.request, asked) if asked else None
        own = str(self.instance.pk or "")
        return draft if draft is not None and draft.object_id == own else None

    def _current(self) -> Effective:
        """Return the values in force for the name that the form has now."""
        slug = str(self._raw("slug") or "").strip() or self.instance.slug
        default = becomes_default(
            self.instance, bool(self._raw("is_default")), bool(self._raw("active"))
        )
        return status.in_force(self.instance, slug=slug, is_default=default)

    def _raw(self, name: str) -> Any:
        """Return what the form has for a field, before it is checked."""
        field = self.fields[name]
        if self.is_bound:
            return field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        return self.get_initial_for_field(field, name)

    def _lock(self) -> None:
        """Make the fields read-only that a variable sets, and name the variable."""
        self.locked = dict(self.in_force.locked)
        frozen = set(self.locked)
        if self.is_bound and not self.instance._state.adding:
            # Locked while the page was shown, so not sent along: the row's values stay.
            before = status.in_force(self.instance).locked
            frozen |= {name for name in before if self.add_prefix(name) not in self.data}
        for name in frozen & set(self.fields):
            field = self.fields[name]
            field.disabled, field.required = True, False
        for name, variable in self.locked.items():
            if name not in self.fields:
                continue
            if name != "password":
                self.initial[name] = self.in_force[name]
            self.fields[name].help_text = format_html(
                '<span class="mailsetup-locked">{}</span>',
                _("Set by the variable %(variable)s in the environment; change it there.")
                % {"variable": variable},
            )
        if "ca" in frozen:
            self.fields["ca_file"].disabled = True
        self._frozen = frozen

    # -- Checking.

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Complete and check the values together."""
        cleaned = super().clean() or self.cleaned_data
        self._take_certificate(cleaned)
        self.notes += presets.complete(cleaned, frozen=self._frozen)
        self._choose_slug(cleaned)
        for name in self._frozen:
            # Never written: the row keeps its own value under what the variable sets.
            cleaned.pop(name, None)
        self.in_force = effective.draft(self.base_of(self.instance, cleaned), cleaned, "")
        self._require(cleaned)
        if not self._destination_errors():
            self._check_plaintext()
            self._check_password(cleaned)
        elif "password" not in self.errors:
            self._ask_for_missing(cleaned)
        self._warn_of_sender()
        if not self.errors:
            self.warnings += presets.doubts(self.in_force)
        cleaned.pop("password", None)
        return cleaned

    @classmethod
    def base_of(cls, row: SMTPProfile, values: Mapping[str, Any]) -> Effective:
        """Return what is in force under a row's typed name: its variables, and the row below.

        Args:
            row: the profile, stored or not.
            values: the checked values of the form.
        """
        active = bool(values.get("active", row.active))
        return status.in_force(
            row,
            slug=values.get("slug", row.slug),
            is_default=becomes_default(row, bool(values.get("is_default")), active),
        )

    def _take_certificate(self, cleaned: dict[str, Any]) -> None:
        upload = cleaned.pop("ca_file", None)
        if not upload:
            return
        # Read again where the form is checked a second time.
        upload.seek(0)
        try:
            text = _certificate_text(upload)
            validate_ca(text)
        except UnicodeDecodeError:
            self.add_error("ca_file", _("This is not a PEM file. PEM is text, not binary data."))
        except forms.ValidationError as error:
            self.add_error("ca_file", error)
        else:
            cleaned["ca"] = text
            self.errors.pop("ca", None)

    def _choose_slug(self, cleaned: dict[str, Any]) -> None:
        if "slug" in self.errors:
            return
        names = SMTPProfile.objects.exclude(pk=self.instance.pk).values_list("slug", flat=True)
        cleaned["slug"] = cleaned.get("slug") or presets.propose_slug(cleaned, set(names))
        # The name has to be free of its neighbours' variables as well as of their names.
        pairs = environment.colliding_slugs({*names, cleaned["slug"]})
        for pair in pairs:
            if cleaned["slug"] in pair:
                other = next(name for name in pair if name != cleaned["slug"])
                self.add_error(
                    "slug",
                    _(
                        "This name and the profile “%(other)s” would listen to the same "
                        "environment variables. Choose another name."
                    )
                    % {"other": other},
                )

    def _require(self, cleaned: Mapping[str, Any]) -> None:
        if not self.in_force["host"] and "host" not in self.errors:
            self.add_error("host", _("Choose a provider, or type the name of the mail server."))
        if self.in_force["login"] == "none" or "username" in self.errors:
            return
        if not self.in_force["username"]:
            self.add_error(
                "username", _("Type the username, or choose “No login” under “authentication”.")
            )

    def _warn_of_sender(self) -> None:
        if not self.in_force.from_email and settings.DEFAULT_FROM_EMAIL in PLACEHOLDER_SENDERS:
            self.warnings.append(
                _(
                    "Mails go out as %(sender)s, which most servers refuse: the username is no "
                    "address. Type one into “From email”."
                )
                % {"sender": settings.DEFAULT_FROM_EMAIL}
            )

    def _destination_errors(self) -> bool:
        return any(name in self.errors for name in (*Destination._fields, "password"))

    def _check_plaintext(self) -> None:
        now = self.in_force
        if now["allow_plaintext"] or not needs_plaintext_consent(
            encryption=now["encryption"], login=now["login"], host=now["host"]
        ):
            return
        self.add_error(
            "encryption",
            _(
                "Without encryption the password can be read on its way to %(host)s. Choose "
                "STARTTLS or TLS; only in your own closed network tick “send the password "
                "unencrypted” below."
            )
            % {"host": now["host"]},
        )

    # -- Keeping what was typed.

    def raw_values(self) -> dict[str, Any]:
        """Return what was typed, unchecked, the password aside."""
        values = {name: self._raw(name) for name in self.Meta.fields if name in self.fields}
        port = str(values["port"] or "")
        values["port"] = int(port) if port.isdecimal() else None
        return {name: value for name, value in values.items() if name not in self._frozen}

    def _get_validation_exclusions(self) -> set[str]:
        # Ticking "default" takes it from another profile, so the constraint is met on saving.
        return super()._get_validation_exclusions() | {"is_default"} | self._frozen

    @sensitive_variables()
    def _post_clean(self) -> None:
        super()._post_clean()
        if not self.errors:
            self._seal()
        elif self.data.get(self.add_prefix("password")) and "password" not in self.errors:
            self.add_error("password", _("Enter the password again: a page never shows it back."))
        if "password" in self.errors:
            # "Leave this empty" would contradict the error.
            self["password"].help_text = ""
