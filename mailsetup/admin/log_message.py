"""The page of one mail: what is known of it, its attempts, its content.

Each part of it asks for its own permission. What has links and codes in it is shown without them;
the whole is shown for some minutes to who asks for it by POST and may, and that is noted.
"""

from datetime import timedelta
from typing import Any

import django
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import content_disposition_header
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from mailsetup.admin import log_attempts, log_words, trouble
from mailsetup.admin.log_content import HEADER_POLICY, Content, Shown, frame_page, safe_type
from mailsetup.delivery import manage
from mailsetup.delivery.log import sentences
from mailsetup.exceptions import ContentUnavailableError
from mailsetup.models import LogLevel, Message, SMTPProfile, State

REVEALED = "mailsetup_revealed"
REVEALED_FOR = timedelta(minutes=10)
MOST_RECIPIENTS = 100
KEPT = {
    LogLevel.OFF: gettext_lazy("nothing, once it is sent"),
    LogLevel.ENVELOPE: gettext_lazy("the content until it is sent"),
    LogLevel.CONTENT: gettext_lazy("the content too"),
}
_FORM_ONLY = (
    *("has_add_permission", "has_change_permission", "has_delete_permission"),
    *("has_editable_inline_admin_formsets", "save_as", "save_on_top", "has_file_field"),
)
FRAME_HEADERS = {
    "Content-Security-Policy": HEADER_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
}


class MessagePage:
    """The part of the log's admin that shows one mail."""

    def find(self, object_id: Any) -> Message:
        """Return the mail with its content.

        Raises:
            Http404: there is none.
        """
        row = Message.objects.defer("search").filter(pk=object_id).first()
        if row is None:
            raise Http404(_("This mail is not in the log any more."))
        return row

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a mail; nothing of it can be changed."""
        if object_id is None or request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        if self.get_object(request, object_id) is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        row = self.find(object_id)
        standing = self._standing(row)
        context = {
            **self.page_context(request, row),
            **self._content_context(request, row),
            "facts": self._facts(request, row),
            "badge": log_words.state_badge(row.state),
            "state_help": _state_help(row, standing),
            "reason": sentences.shown(row.reason),
            "asked_from": _asked_from(row),
            "due": log_words.due(row.due_at, standing) if row.state == State.QUEUED else "",
            "kept": [standing] if standing else [],
            "resume_url": self.resume_url(request),
            "attempts": log_attempts.shown(row),
            **self.recipients_context(row),
            "buttons": self._buttons(request, row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/mailsetup/message/change_form.html", context)

    def page_context(self, request: HttpRequest, row: Message | None) -> dict[str, Any]:
        """Return what every page of a mail needs."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "title": (row and row.subject) or _("(no subject)"),
            "original": row,
            "row": row,
            "subtitle": None,
            "opts": self.opts,
            "add": False,
            "change": True,
            "is_popup": False,
            "has_view_permission": self.has_view_permission(request),
            # For skins that put a form's buttons onto every page: there is nothing to save here.
            **dict.fromkeys(_FORM_ONLY, False),
            "media": self.media,
            "urls": {
                page: self.url_of(page, row.pk)
                for page in (
                    *("change", "history", "preview", "reveal", "attachment", "eml"),
                    *("resend", "cancel", "send_now", "dealt_with"),
                )
            }
            if row
            else {},
            "list_url": self.url_of("changelist"),
            # Later, they stand beside the title.
            "tools_in_content": django.VERSION < (6, 1),
        }

    def recipients_context(self, row: Message) -> dict[str, Any]:
        """Return the recipients that a page names, and how many more there are."""
        recipients = log_words.texts(row.recipients)
        return {
            "recipients": recipients[:MOST_RECIPIENTS],
            "more_recipients": max(0, len(recipients) - MOST_RECIPIENTS),
        }

    # -- What is known of it.

    def _facts(self, request: HttpRequest, row: Message) -> list[tuple[str, Any, str]]:
        """Return label, value and, for a link, its address."""
        again = Message.objects.filter(resent_from=row.pk).order_by("pk").values_list("pk")[:10]
        facts = [
            (_("Profile"), row.profile, self._profile_url(request, row.profile)),
            (
                _("Asked for by"),
                log_words.breaking(" · ".join(filter(None, [row.app, row.caller]))),
                "",
            ),
            (_("Asked for at"), row.created_at, ""),
            (_("Settled at"), row.settled_at, ""),
            (_("Expires at"), row.expires_at, ""),
            (_("Sending"), _("in the background") if row.background else _("at once"), ""),
            (_("Priority"), row.get_priority_display() if row.background else "", ""),
            (capfirst(_("attempts")), str(row.attempts_made), ""),
            (_("Size"), row.size and filesizeformat(row.size), ""),
            (_("The log keeps"), _kept(row), ""),
        ]
        if row.resent_from is not None:
            facts.append(
                (
                    _("Sent again from"),
                    _("mail no. %(number)s") % {"number": row.resent_from},
                    self.url_of("change", row.resent_from),
                )
            )
        facts += [
            (
                _("Sent again as"),
                _("mail no. %(number)s") % {"number": pk},
                self.url_of("change", pk),
            )
            for (pk,) in again
        ]
        return [fact for fact in facts if fact[1]]

    def _profile_url(self, request: HttpRequest, slug: str) -> str:
        if not slug or not request.user.has_perm("mailsetup.view_smtpprofile"):
            return ""
        pk = SMTPProfile.objects.filter(slug=slug).values_list("pk", flat=True).first()
        try:
            return pk and reverse(
                "admin:mailsetup_smtpprofile_change",
                args=[quote(pk)],
                current_app=self.admin_site.name,
            )
        except NoReverseMatch:
            return ""

    def _standing(self, row: Message) -> trouble.Kept | None:
        """Return what keeps the profile from sending a mail that waits."""
        if row.state != State.QUEUED:
            return None
        return trouble.of(row.profile)

    def _buttons(self, request: HttpRequest, row: Message) -> dict[str, Any]:
        may_send = self.may(request, "resend")
        why_not = manage.why_not_resend(row)
        waits = row.state == State.QUEUED
        return {
            "resend": may_send and not why_not,
            "why_not_resend": why_not if may_send and not waits else "",
            "send_now": may_send and waits,
            "cancel": may_send and waits,
            "dealt_with": row.needs_attention and self.may(request, "deal_with"),
            "eml": row.has_content and self.may(request, "export", "reveal"),
        }

    # -- Its content.

    def _content_context(self, request: HttpRequest, row: Message) -> dict[str, Any]:
        may_preview = self.may(request, "preview")
        whole = self._sees_whole(request, row)
        shown = Content(row).show(whole=whole) if may_preview or whole else Shown()
        return {
            "may_preview": may_preview or whole,
            "may_reveal": self.may(request, "reveal"),
            "shown": shown,
            "whole": whole,
        }

    def _sees_whole(self, request: HttpRequest, row: Message) -> bool:
        """Tell whether the user asked to see all of this mail a moment ago, and may."""
        until = request.session.get(REVEALED, {}).get(str(row.pk), 0)
        return until > timezone.now().timestamp() and self.may(request, "reveal")

    @method_decorator(require_POST)
    def reveal_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let the user see all of a mail for some minutes, and note it."""
        self.demand(request, "reveal")
        row = self.find(object_id)
        until = (timezone.now() + REVEALED_FOR).timestamp()
        # The latest few: a session may live in a cookie.
        earlier = list(request.session.get(REVEALED, {}).items())[-4:]
        request.session[REVEALED] = dict(earlier) | {str(row.pk): until}
        self.log_change(request, row, _("Looked at the whole mail, links and codes included."))
        return HttpResponseRedirect(self.url_of("change", row.pk) + "#mailsetup-content")

    @method_decorator(require_safe)
    @method_decorator(xframe_options_sameorigin)
    def preview_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show a mail's HTML, alone in a page that can do nothing."""
        self.demand(request)
        row = self.find(object_id)
        whole = self._sees_whole(request, row)
        if not whole:
            self.demand(request, "preview")
        response = HttpResponse(frame_page(Content(row).show(whole=whole).html))
        for name, value in FRAME_HEADERS.items():
            response.headers[name] = value
        return response

    @method_decorator(require_POST)
    def attachment_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Hand an attachment over for saving, never for showing, and note it."""
        self.demand(request, "reveal")
        row = self.find(object_id)
        number = request.POST.get("part", "")
        try:
            found = Content(row).attachment(int(number)) if number.isdecimal() else None
        except ContentUnavailableError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self.url_of("change", row.pk))
        if found is None:
            raise Http404
        part, octets = found
        self.log_change(
            request, row, _("Downloaded attachment no. %(number)s.") % {"number": number}
        )
        return download(octets, part.name or f"attachment-{number}", safe_type(part.kind))


def _state_help(row: Message, standing: trouble.Kept | None) -> str:
    """Return a sentence on how a mail stands.

    Args:
        row: the mail.
        standing: what keeps its profile's mail back; None where nothing does.
    """
    if standing is not None and standing.outlasts(row.due_at):
        return _("It waits until its profile goes on.")
    if row.state == State.SENT and row.reason:
        return _("The mail server accepted it for some of its recipients and refused the others.")
    return log_words.state_help(row.state)


def _kept(row: Message) -> str:
    """Return what the log keeps of a mail, in words."""
    if row.log == LogLevel.ENVELOPE and not row.background:
        # It never waits: there is no time for which its content would be kept.
        return _("nothing of the content")
    return str(KEPT.get(row.log, row.log))


def _asked_from(row: Message) -> str:
    """Return the From that the app gave, where the mail went out with another one; else ""."""
    recipe = row.recipe if isinstance(row.recipe, dict) else {}
    asked = str(recipe.get("from") or "")
    return asked if asked != row.from_email else ""


def download(octets: bytes, name: str, kind: str) -> HttpResponse:
    """Return octets as a file to save, which no browser opens in place."""
    # A name is a name: no path, no hidden file.
    name = name.replace("/", "_").replace("\\", "_").lstrip(".") or "file"
    response = HttpResponse(octets, content_type=kind)
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
