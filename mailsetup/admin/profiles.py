"""The list of profiles and the page of one profile.

Each extra page goes permission, object, form, log entry, message, redirect, as
``django.contrib.auth.admin.UserAdmin.user_change_password`` does.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from mailsetup import providers
from mailsetup.admin import drafts, importing, presets, status, trouble
from mailsetup.admin.addresses import Addresses
from mailsetup.admin.deleting import TellsNewDefault
from mailsetup.admin.forms import SMTPProfileForm
from mailsetup.admin.passwords import hide_from_reports
from mailsetup.admin.resuming import Resumes
from mailsetup.admin.testing import TestPage
from mailsetup.admin.unmigrated import tell_to_migrate
from mailsetup.admin.widgets import script_data
from mailsetup.delivery import manage
from mailsetup.exceptions import ConfigurationError
from mailsetup.models import ProfileState, SMTPProfile

SCRIPTS = ("provider_picker", "profile_form", "unsaved")


class SMTPProfileAdmin(TestPage, Resumes, TellsNewDefault, Addresses, admin.ModelAdmin):
    """The admin of :class:`mailsetup.models.SMTPProfile`."""

    form = SMTPProfileForm
    list_display = ["name_and_marks", "server", "last_test", "links"]
    list_display_links = ["name_and_marks"]
    save_as = True
    readonly_fields = ["values_in_force"]
    view_fieldsets = [(None, {"fields": ["slug", "values_in_force"]})]
    fieldsets = [
        (
            gettext_lazy("Account"),
            {
                "fields": [
                    "provider",
                    "host",
                    ("encryption", "port"),
                    "allow_plaintext",
                    "login",
                    "username",
                    "password",
                    "remove_password",
                ]
            },
        ),
        (
            gettext_lazy("Sender"),
            {"fields": [("from_email", "force_from_email"), ("from_name", "force_from_name")]},
        ),
        (
            gettext_lazy("Use"),
            {
                "fields": [
                    "slug",
                    ("active", "is_default"),
                    "do_not_send",
                    "sending",
                    "log",
                ]
            },
        ),
        (
            gettext_lazy("Advanced"),
            {
                "classes": ["collapse"],
                "fields": [
                    "verify",
                    "ca",
                    "ca_file",
                    "return_path",
                    "reply_to",
                    "ehlo_name",
                    "timeout",
                    "on_ambiguous",
                    "in_flight",
                ],
            },
        ),
        (
            gettext_lazy("Values in force"),
            {"classes": ["collapse"], "fields": ["values_in_force"]},
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        """Put the extra pages before those of an object."""
        wrap = self.admin_site.admin_view
        patterns = [
            path("test/", wrap(self.test_view), name=f"{self.url_names}_test"),
            path("import/", wrap(self.import_view), name=f"{self.url_names}_import"),
            path("resume/", wrap(self.resume_view), name=f"{self.url_names}_resume"),
            *super().get_urls(),
        ]
        return tell_to_migrate(self.admin_site, patterns)

    @property
    def media(self) -> forms.Media:
        """The stock scripts and styles, and ours."""
        scripts = [Script(f"mailsetup/js/{name}.js", type="module") for name in SCRIPTS]
        return super().media + forms.Media(css={"all": ["mailsetup/css/admin.css"]}, js=scripts)

    # -- The list.

    def get_queryset(self, request: HttpRequest) -> QuerySet[SMTPProfile]:
        """Bring the last test along, whose row stands beside the profile's."""
        states = ProfileState.objects.filter(slug=OuterRef("slug"))
        return super().get_queryset(request).annotate(state_pk=Subquery(states.values("pk")[:1]))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what serves now above the list."""
        panel = {
            "serving": status.serving(),
            "from_environment": [
                self._describe(profile) for profile in status.only_in_environment()
            ],
            "import_offered": self.has_add_permission(request) and status.import_offered(),
            "has_profiles": SMTPProfile.objects.exists(),
            "may_test": self.has_test_permission(request),
            "urls": {page: self.url_of(page) for page in ("add", "test", "import")},
        }
        if (now := panel["serving"].effective) is not None:
            panel["serving_now"] = self._describe(now)
        context = {"panel": panel, **self.kept_context(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    def _describe(self, profile: Any, state: ProfileState | None = None) -> dict[str, Any]:
        if state is None and profile.slug:
            state = ProfileState.objects.filter(slug=profile.slug).first()
        return {
            "profile": profile,
            "label": status.profile_label(profile),
            "server": status.server_label(profile),
            "from_email": profile.from_email,
            "from_database": profile.from_database,
            "do_not_send": profile["do_not_send"],
            "in_background": status.in_background(profile),
            "problems": status.problems(profile),
            "last_test": status.last_test(profile, state),
        }

    @admin.display(description=gettext_lazy("name"), ordering="slug")
    def name_and_marks(self, row: SMTPProfile) -> SafeString:
        """The name with its badges."""
        profile = status.in_force(row)
        return render_to_string(
            "mailsetup/name_and_marks.html",
            {
                "row": row,
                "active": profile["active"],
                "do_not_send": profile["do_not_send"],
                "in_background": status.in_background(profile),
            },
        )

    @admin.display(description=gettext_lazy("server"))
    def server(self, row: SMTPProfile) -> SafeString:
        """The provider and the server in force, with what keeps the profile from sending."""
        profile = status.in_force(row)
        provider = providers.get(profile.provider) if profile.provider else None
        return render_to_string(
            "mailsetup/server.html",
            {
                "server": status.server_label(profile),
                "provider": provider.text("name", get_language() or "en") if provider else "",
                "problems": status.problems(profile),
            },
        )

    @admin.display(description=gettext_lazy("last test"))
    def last_test(self, row: SMTPProfile) -> SafeString:
        """How the last test ended, and when."""
        state = ProfileState.objects.filter(pk=row.state_pk).first() if row.state_pk else None
        found = status.last_test(status.in_force(row), state)
        return render_to_string("mailsetup/last_test.html", {"last_test": found})

    @admin.display(description=gettext_lazy("test"))
    def links(self, row: SMTPProfile) -> SafeString:
        """A link to the test page, for those who may test."""
        return format_html(
            '<a class="mailsetup-test-link" href="{}?profile={}">{}</a>',
            self.url_of("test"),
            row.slug,
            _("Test %(profile)s") % {"profile": row.slug},
        )

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Leave the links to the test page out for those who may not test."""
        shown = list(super().get_list_display(request))
        return shown if self.has_test_permission(request) else [n for n in shown if n != "links"]

    # -- The form.

    def get_fieldsets(self, request: HttpRequest, obj: SMTPProfile | None = None) -> Any:
        """Show those who may only look what is in force; it may differ from the row."""
        if obj is not None and not self.has_change_permission(request, obj):
            return self.view_fieldsets
        if obj is None:
            return self.fieldsets[:-1]
        return self.fieldsets

    def get_form(
        self,
        request: HttpRequest,
        obj: SMTPProfile | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[SMTPProfileForm]:
        """Hand the request to the form, which finds the session's drafts by it."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"request": request, "__module__": __name__})

    @admin.display(description=gettext_lazy("values in force"))
    def values_in_force(self, row: SMTPProfile) -> SafeString:
        """Each value with its origin, secrets masked."""
        profile = status.in_force(row)
        return render_to_string(
            "mailsetup/values.html",
            {"rows": status.rows(profile), "problems": status.problems(profile)},
        )

    @method_decorator(sensitive_post_parameters("password"))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save a profile; or keep what was typed, for a test or a provider's settings."""
        hide_from_reports(request)
        if request.method == "POST" and {"_fill", "_test"} & set(request.POST):
            response = self._keep_typed(request, object_id)
            if response is not None:
                return response
        row = self.get_object(request, unquote(object_id)) if object_id else None
        context = {
            "may_test": self.has_test_permission(request),
            "providers": script_data(),
            "notices": status.problems(status.in_force(row)) if row is not None else [],
            **self.kept_context(request, row.slug if row is not None else ""),
        }
        return super().changeform_view(
            request, object_id, form_url, context | (extra_context or {})
        )

    def _keep_typed(self, request: HttpRequest, object_id: str | None) -> HttpResponse | None:
        """Keep the typed values and go on with them; None where they do not pass the checks."""
        row = self.get_object(request, unquote(object_id)) if object_id else None
        may = self.has_change_permission(request, row) if row else self.has_add_permission(request)
        if not may or ("_test" in request.POST and not self.has_test_permission(request)):
            raise PermissionDenied
        if object_id and row is None:
            return None
        form_class = self.get_form(request, row, change=row is not None)
        form = form_class(request.POST, request.FILES, instance=row or SMTPProfile())
        if "_fill" in request.POST:
            return self._fill_in(request, form)
        if not form.is_valid():
            return None
        key = form.keep_draft()
        return HttpResponseRedirect(f"{self.url_of('test')}?draft={key}")

    def _fill_in(self, request: HttpRequest, form: SMTPProfileForm) -> HttpResponse:
        """Show the form again with the settings of the chosen provider."""
        values = form.raw_values()
        provider = providers.get(values.get("provider") or "")
        if provider is None or not presets.fill_in(values, provider, frozen=form.locked):
            messages.warning(request, _("Choose a provider first; “other” has no settings."))
        else:
            name = provider.text("name", get_language() or "en")
            messages.info(
                request,
                _("The settings of %(provider)s were filled in. Nothing is saved yet.")
                % {"provider": name},
            )
        key = drafts.keep(
            request, object_id=str(form.instance.pk or ""), fields=values, valid=False
        )
        return HttpResponseRedirect(f"{request.path}?draft={key}")

    def save_form(self, request: HttpRequest, form: SMTPProfileForm, change: bool) -> SMTPProfile:
        """Refuse to save for the buttons that only test or fill in."""
        if {"_fill", "_test"} & set(request.POST):
            raise PermissionDenied
        return super().save_form(request, form, change)

    def save_model(
        self, request: HttpRequest, obj: SMTPProfile, form: SMTPProfileForm, change: bool
    ) -> None:
        """Save, and say what was filled in or decided on the way."""
        super().save_model(request, obj, form, change)
        # An edit ends a stop or hold of the profile.
        manage.go_on(obj.slug)
        trouble.forget()
        for note in form.notes:
            messages.info(request, note)
        for warning in form.warnings:
            messages.warning(request, warning)
        if obj.is_default and not form.cleaned_data.get("is_default"):
            messages.info(request, self._why_default(obj))
        if form.draft is not None:
            drafts.forget(request, form.draft.key)

    def _why_default(self, row: SMTPProfile) -> str:
        """Say why a profile is the default one though it was not ticked."""
        if SMTPProfile.objects.exclude(pk=row.pk).filter(active=True).exists():
            words = _(
                "“%(profile)s” stays the default profile, as no other one is. To change that, "
                "tick “default” in the other profile."
            )
        else:
            words = _("“%(profile)s” is the default profile, as there is no other.")
        return words % {"profile": row.slug}

    def response_add(
        self, request: HttpRequest, obj: SMTPProfile, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on to the test page where that was asked for."""
        response = super().response_add(request, obj, post_url_continue)
        return self._then_test(request, obj) or response

    def response_change(self, request: HttpRequest, obj: SMTPProfile) -> HttpResponse:
        """Go on to the test page where that was asked for."""
        response = super().response_change(request, obj)
        return self._then_test(request, obj) or response

    def _then_test(self, request: HttpRequest, obj: SMTPProfile) -> HttpResponse | None:
        if "_savetest" not in request.POST or not self.has_test_permission(request):
            return None
        return HttpResponseRedirect(f"{self.url_of('test')}?profile={obj.slug}")

    # -- Importing.

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Make a profile of the site's own settings."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not status.import_offered():
            messages.warning(request, _("There is nothing to import."))
            return HttpResponseRedirect(self._list_or_index(request))
        try:
            row, notes = importing.import_from_settings()
        except ConfigurationError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self._list_or_index(request))
        # Untranslated, as Django's own entries are: the reader's language is chosen on reading.
        self.log_addition(request, row, [{"added": {}}])
        messages.success(
            request, _("The site's settings are now the profile “%(name)s”.") % {"name": row.slug}
        )
        for note in notes:
            messages.warning(request, note)
        if self.has_view_or_change_permission(request, row):
            return HttpResponseRedirect(self.url_of("change", quote(row.pk)))
        return HttpResponseRedirect(self._list_or_index(request))

    def _list_or_index(self, request: HttpRequest) -> str:
        if self.has_view_or_change_permission(request):
            return self.url_of("changelist")
        return reverse("admin:index", current_app=self.admin_site.name)
