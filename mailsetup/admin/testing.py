"""The test page: sends one fixed mail, or only logs in, and shows what happened.

A test is a POST and redirects to its result, so that a reload shows it again and sends nothing.
No transaction is open while a server is spoken to.
"""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from mailsetup import effective
from mailsetup.admin import drafts, limits, results, status
from mailsetup.admin.advice import stage_label
from mailsetup.delivery import manage
from mailsetup.delivery.testmail import TestResult, run_test, site_name
from mailsetup.effective import Effective
from mailsetup.exceptions import ConfigurationError
from mailsetup.models import SMTPProfile
from mailsetup.models.validators import validate_address

# Stands for Django's own settings among the profiles' names; no slug has a colon.
FROM_SETTINGS = ":settings"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tested: a profile by name, Django's settings, or a draft of the form."""

    effective: Effective
    row: SMTPProfile | None = None
    draft: drafts.Draft | None = None


class TestMailForm(forms.Form):
    """Where to send the test mail, how, and by which profile."""

    __test__ = False

    to = forms.CharField(
        label=gettext_lazy("Send to"),
        max_length=254,
        required=False,
        validators=[validate_address],
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "email"}),
    )
    html = forms.BooleanField(
        label=gettext_lazy("HTML"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Send the mail as HTML with a text part; else as plain text."),
    )
    profile = forms.ChoiceField(
        label=gettext_lazy("Profile"),
        widget=forms.RadioSelect(attrs={"class": "radiolist"}),
        error_messages={"required": gettext_lazy("Choose a profile.")},
    )

    def __init__(self, *args: Any, choices: list[tuple[str, Any]] | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if choices is None:
            # A draft is tested, and nothing else can be chosen.
            del self.fields["profile"]
        else:
            self.fields["profile"].choices = choices

    def clean(self) -> dict[str, Any]:
        """Ask for the address only where a mail is to be sent."""
        cleaned = super().clean() or self.cleaned_data
        if "to" in cleaned and not cleaned["to"] and "_check" not in self.data:
            self.add_error("to", _("Type the address that the test mail goes to."))
        return cleaned


class TestPage:
    """The part of the profiles' admin that tests them."""

    __test__ = False

    def has_test_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may send test mails."""
        return request.user.has_perm(f"{self.opts.app_label}.test_smtpprofile")

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Let those who may only test see the app's page, which has the link."""
        return super().get_model_perms(request) | {"test": self.has_test_permission(request)}

    @method_decorator(transaction.non_atomic_requests)
    def test_view(self, request: HttpRequest) -> HttpResponse:
        """Show the test page; run a test on POST."""
        if not self.has_test_permission(request):
            raise PermissionDenied
        key = request.POST.get("_draft") or request.GET.get("draft") or ""
        draft = drafts.find(request, key) if key else None
        if key and (draft is None or not draft.valid):
            self.message_user(
                request,
                _("The typed values are no longer kept. Go back to the form and test them again."),
                level="WARNING",
            )
            return HttpResponseRedirect(self.url_of("test"))
        subject = self._draft_subject(request, draft) if draft else None
        choices = None if draft else self._choices()
        if request.method == "POST":
            form = TestMailForm(request.POST, choices=choices)
            if form.is_valid():
                subject = subject or self._chosen(form.cleaned_data["profile"])
                response = self._run(request, form, subject)
                if response is not None:
                    return response
        else:
            form = TestMailForm(initial=self._initial(request), choices=choices)
        return self._render_test(request, form, subject, choices)

    # -- What is tested.

    def _choices(self) -> list[tuple[str, Any]]:
        rows = {row.slug: row for row in SMTPProfile.objects.all()}
        profiles = [status.in_force(row) for row in rows.values()] + status.only_in_environment()
        choices = [(profile.slug, _choice_label(profile)) for profile in profiles]
        now = status.serving().effective
        if now is not None and not now.slug:
            choices.append((FROM_SETTINGS, _choice_label(now)))
        return choices

    def _chosen(self, name: str) -> Subject:
        if name == FROM_SETTINGS:
            return Subject(effective.resolve(None))
        row = SMTPProfile.objects.filter(slug=name).first()
        profile = status.in_force(row) if row is not None else effective.resolve(name)
        return Subject(profile, row=row)

    def _draft_subject(self, request: HttpRequest, draft: drafts.Draft) -> Subject:
        row = self.get_object(request, draft.object_id) if draft.object_id else SMTPProfile()
        if row is None:
            raise PermissionDenied
        stored = row.pk is not None
        may = (
            self.has_change_permission(request, row) if stored else self.has_add_permission(request)
        )
        if not may:
            raise PermissionDenied
        # The form itself says which values are in force, variables included.
        form_class = self.get_form(request, row, change=stored)
        base = form_class.base_of(row, draft.fields)

        def reveal() -> str:
            if draft.sealed:
                return drafts.secret_of(request, draft, typed.destination)
            if draft.removes_password:
                raise ConfigurationError(_("The password is to be removed, and there is no other."))
            return row.get_password(typed.destination)

        typed = effective.draft(base, draft.fields, reveal)
        return Subject(typed, row=row if stored else None, draft=draft)

    def _initial(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the user's address and the profile asked for, or what was tested last."""
        last = results.find(request, request.GET.get("result", ""))
        chosen = request.GET.get("profile")
        if chosen is None:
            now = status.serving().effective
            chosen = (now.slug or FROM_SETTINGS) if now is not None else ""
        return {
            "to": last["to"] if last else getattr(request.user, "email", ""),
            "html": last["html"] if last else True,
            "profile": chosen,
        }

    # -- Running.

    def _run(
        self, request: HttpRequest, form: TestMailForm, subject: Subject
    ) -> HttpResponse | None:
        """Test, write down what happened, and go to the result; None where it was too often."""
        profile, check_only = subject.effective, "_check" in request.POST
        to, html = form.cleaned_data["to"], form.cleaned_data["html"]
        try:
            entry = limits.begin_test(
                request,
                profile_pk=subject.row.pk if subject.row else None,
                label=status.profile_label(profile),
            )
        except limits.TooManyTestsError as error:
            form.add_error(None, str(error))
            return None
        result = run_test(
            profile,
            to=to,
            html=html,
            site_name=site_name(request),
            language=get_language() or "en",
            check_only=check_only,
        )
        limits.finish_test(entry, _log_sentence(result, to))
        if subject.draft is None and profile.slug and not result.dropped:
            manage.remember_test(profile, passed=result.passed, stage=result.stage)
        key = results.keep(
            request, result, profile, to=to, html=html, unsaved=subject.draft is not None
        )
        query = {"result": key}
        if subject.draft is not None:
            query["draft"] = subject.draft.key
        else:
            query["profile"] = profile.slug or FROM_SETTINGS
        return HttpResponseRedirect(f"{self.url_of('test')}?{urlencode(query)}")

    # -- Showing.

    def _render_test(
        self,
        request: HttpRequest,
        form: TestMailForm,
        subject: Subject | None,
        choices: list[tuple[str, Any]] | None,
    ) -> HttpResponse:
        draft = subject.draft if subject else None
        fields = ["to", "html"] if choices is None else ["to", "html", "profile"]
        admin_form = AdminForm(form, [(None, {"fields": fields})], {}, model_admin=self)
        title = _("Send a test email")
        asked = request.GET.get("result", "")
        result = results.find(request, asked)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            # The last of the breadcrumbs, which the stock template makes of the object.
            "original": title,
            "subtitle": None,
            "opts": self.opts,
            "add": False,
            "change": False,
            "is_popup": False,
            "adminform": admin_form,
            "errors": AdminErrorList(form, []),
            "inline_admin_formsets": [],
            "media": self.media + forms.Media(js=[Script("mailsetup/js/test.js", type="module")]),
            "form_url": self.url_of("test"),
            "has_view_permission": self.has_view_or_change_permission(request),
            "has_add_permission": self.has_add_permission(request),
            "urls": {page: self.url_of(page) for page in ("add", "changelist")},
            "nothing_to_test": choices == [],
            "draft": draft,
            "draft_server": status.server_label(subject.effective) if draft else "",
            "back_url": self._back_url(draft) if draft else "",
            "result": result,
            "result_lost": bool(asked) and result is None,
            "edit_url": self._edit_url(request, result),
        }
        request.current_app = self.admin_site.name
        too_often = bool(form.non_field_errors()) and request.method == "POST"
        return TemplateResponse(
            request,
            "admin/mailsetup/smtpprofile/test.html",
            context,
            status=429 if too_often else 200,
        )

    def _back_url(self, draft: drafts.Draft) -> str:
        page = (
            self.url_of("change", quote(draft.object_id)) if draft.object_id else self.url_of("add")
        )
        return f"{page}?draft={draft.key}"

    def _edit_url(self, request: HttpRequest, result: dict[str, Any] | None) -> str:
        """Return where the tested profile is edited; "" where that is nowhere, or not allowed."""
        if result is None or result["unsaved"] or not result["profile"]:
            return ""
        row = SMTPProfile.objects.filter(slug=result["profile"]).first()
        if row is None or not self.has_change_permission(request, row):
            return ""
        return self.url_of("change", quote(row.pk))


def _choice_label(profile: Effective) -> SafeString:
    lines = []
    if not profile.from_database and profile.slug:
        lines.append(("note", _("Set by environment variables alone.")))
    if profile["do_not_send"]:
        lines.append(("problem", _("Set to “do not send”: the mail will be thrown away.")))
    lines += [("problem", problem) for problem in status.problems(profile)]
    return format_html(
        '<strong>{}</strong> <span class="mailsetup-quiet">{}</span>{}',
        status.profile_label(profile),
        status.server_label(profile),
        format_html_join("", '<span class="mailsetup-choice-{}">{}</span>', lines),
    )


def _log_sentence(result: TestResult, to: str) -> str:
    """Return one sentence for the log: without the server's words, which anyone may choose."""
    if not result.passed:
        return _("Test failed at the stage “%(stage)s”.") % {"stage": stage_label(result.stage)}
    if result.check_only:
        return _("The connection and the login were tested successfully.")
    if result.dropped:
        return _("Nothing was sent: the profile is set to “do not send”.")
    return _("A test mail was sent to %(to)s.") % {"to": to}
