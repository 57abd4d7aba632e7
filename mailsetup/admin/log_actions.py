"""What can be done to mails from the log: each by POST, by its own permission, and noted."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.crypto import get_random_string
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from mailsetup.admin import log_kept, trouble
from mailsetup.admin.trouble import Kept
from mailsetup.delivery import manage
from mailsetup.exceptions import ContentUnavailableError
from mailsetup.models import Message, State
from mailsetup.models.message import SETTLED
from mailsetup.models.validators import validate_address

# How many mails are sent again by one press, and noted one by one.
MOST_AT_ONCE = 500
# How many mails a question names.
SHOWN = 10


def _mark_of(request: HttpRequest) -> str:
    """Return the mark of a question, which is answered once however often it is pressed."""
    return request.POST.get("_mark", "")[:40]


def _why_left_out(row: Message, action: str) -> str:
    """Return why an action passes a chosen mail over; "" where it does not."""
    if action == "resend_selected":
        return manage.why_not_resend(row)
    return "" if row.state == State.QUEUED else _("It does not wait any more.")


class ResendForm(forms.Form):
    """Whom a mail goes to that is sent again."""

    to = forms.CharField(
        label=gettext_lazy("Send to"),
        max_length=254,
        required=False,
        validators=[validate_address],
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Another address that gets it instead. Empty: the same recipients as before."
        ),
    )

    def __init__(self, *args: Any, may_redirect: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_redirect:
            # Whoever names the address can read the mail there, codes included.
            del self.fields["to"]


class MessageActions:
    """The part of the log's admin that acts."""

    actions = ["resend_selected", "send_now_selected", "cancel_selected", "deal_with_selected"]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may send mails again, now, or cancel them."""
        return self.may(request, "resend")

    def has_deal_with_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may mark mails as dealt with."""
        return self.may(request, "deal_with")

    # -- One mail.

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def resend_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask whom a mail is to go to once more; send it on POST."""
        self.demand(request, "resend")
        row = self.find(object_id)
        why_not = manage.why_not_resend(row)
        form = ResendForm(
            request.POST if request.method == "POST" else None,
            may_redirect=self.may(request, "reveal"),
        )
        if request.method == "POST" and not why_not and form.is_valid():
            response = self._resend_one(request, row, form)
            if response is not None:
                return response
        context = {
            **self.page_context(request, row),
            "title": _("Send this mail again"),
            "form": form,
            "mark": _mark_of(request) or get_random_string(20),
            "why_not": why_not,
            **self.recipients_context(row),
        }
        return TemplateResponse(request, "admin/mailsetup/message/resend.html", context)

    def _resend_one(
        self, request: HttpRequest, row: Message, form: ResendForm
    ) -> HttpResponse | None:
        to = form.cleaned_data.get("to", "")
        try:
            new = manage.resend(row, to or None, once=_mark_of(request))
        except (ContentUnavailableError, ValueError) as error:
            form.add_error(None, str(error))
            return None
        trouble.forget()
        words = {"number": new.pk, "to": to}
        if to:
            self.log_change(request, row, _("Sent again to %(to)s as mail no. %(number)s.") % words)
        else:
            self.log_change(request, row, _("Sent again as mail no. %(number)s.") % words)
        messages.success(request, _("The mail will be sent again, as mail no. %(number)s.") % words)
        return HttpResponseRedirect(self.url_of("change", new.pk))

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask before a mail is canceled; cancel it on POST."""
        self.demand(request, "resend")
        row = self.find(object_id)
        if request.method == "POST":
            rows = Message.objects.filter(pk=row.pk)
            self._tell(
                request, row, manage.cancel(rows), _("Canceled."), _("The mail is canceled.")
            )
            return HttpResponseRedirect(self.url_of("change", row.pk))
        context = {**self.page_context(request, row), "title": _("Cancel this mail?")}
        return TemplateResponse(request, "admin/mailsetup/message/cancel.html", context)

    @method_decorator(require_POST)
    def send_now_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let a waiting mail be tried at once."""
        self.demand(request, "resend")
        row = self.find(object_id)
        rows = Message.objects.filter(pk=row.pk)
        kept = log_kept.behind(rows)
        done = manage.send_now(rows)
        if done and kept:
            self.log_change(request, row, _("To be sent as soon as its profile goes on."))
            self._tell_kept(request, kept)
        else:
            self._tell(request, row, done, _("Sent now."), _("The mail is next."))
        return HttpResponseRedirect(self.url_of("change", row.pk))

    @method_decorator(require_POST)
    def dealt_with_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Mark a mail as dealt with."""
        self.demand(request, "deal_with")
        row = self.find(object_id)
        done = manage.deal_with(Message.objects.filter(pk=row.pk))
        self._tell(
            request, row, done, _("Marked as dealt with."), _("The mail is marked as dealt with.")
        )
        return HttpResponseRedirect(self.url_of("change", row.pk))

    def _tell(self, request: HttpRequest, row: Message, done: int, noted: str, told: str) -> None:
        trouble.forget()
        if not done:
            messages.warning(request, _("Nothing was done: the mail is in another state by now."))
            return
        self.log_change(request, row, noted)
        messages.success(request, told)

    # -- Many mails, from the list.

    @admin.action(description=gettext_lazy("Send again the selected mails"), permissions=["resend"])
    def resend_selected(
        self, request: HttpRequest, queryset: QuerySet[Message]
    ) -> HttpResponse | None:
        """Ask, then send the chosen mails again."""
        able = queryset.filter(state__in=SETTLED).exclude(content=None, content_file="")
        count = able.order_by()[: MOST_AT_ONCE + 1].count()
        if count > MOST_AT_ONCE:
            words = {"most": MOST_AT_ONCE}
            messages.error(request, _("Choose at most %(most)s mails to send again.") % words)
            return None
        if not count:
            messages.error(
                request, _("None of these mails can be sent again: their content is not kept.")
            )
            return None
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, "resend_selected", count)
        done = [row for row in able.defer(None) if self._resend_quietly(request, row)]
        self._note(request, done, len(done), _("Sent again."))
        told = ngettext(
            "%(count)s mail will be sent again.", "%(count)s mails will be sent again.", len(done)
        )
        messages.success(request, told % {"count": len(done)})
        return None

    def _resend_quietly(self, request: HttpRequest, row: Message) -> bool:
        try:
            manage.resend(row, once=_mark_of(request))
        except (ContentUnavailableError, ValueError) as error:
            words = {"number": row.pk, "reason": error}
            messages.error(request, _("Mail no. %(number)s: %(reason)s") % words)
            return False
        return True

    @admin.action(description=gettext_lazy("Send now the selected mails"), permissions=["resend"])
    def send_now_selected(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Let the chosen mails that wait be tried at once."""
        kept = log_kept.behind(queryset)
        waiting = queryset.filter(state=State.QUEUED)
        behind = Q(profile__in=[each.slug for each, _number in kept])
        rows, rows_behind = (
            list(some[:MOST_AT_ONCE]) for some in (waiting.exclude(behind), waiting.filter(behind))
        )
        count = manage.send_now(queryset)
        if not count:
            messages.warning(request, _("None of these mails waits, so none can be sent now."))
            return
        number = sum(number for _each, number in kept)
        self._note(request, rows_behind, number, _("To be sent as soon as its profile goes on."))
        self._tell_kept(request, kept)
        if count > number:
            count -= number
            self._note(request, rows, count, _("Sent now."))
            told = ngettext("%(count)s mail is next.", "%(count)s mails are next.", count)
            messages.success(request, told % {"count": count})

    def _tell_kept(self, request: HttpRequest, kept: list[tuple[Kept, int]]) -> None:
        """Tell of mails that are to be sent now and whose profile keeps them back."""
        trouble.forget()
        may_resume = bool(self.resume_url(request))
        for each, count in kept:
            messages.warning(request, log_kept.told(each, count, may_resume=may_resume))

    @admin.action(description=gettext_lazy("Cancel the selected mails"), permissions=["resend"])
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[Message]
    ) -> HttpResponse | None:
        """Ask, then cancel the chosen mails that wait."""
        waiting = queryset.filter(state=State.QUEUED)
        number = waiting.order_by().count()
        if not number:
            messages.warning(request, _("None of these mails waits, so none can be canceled."))
            return None
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, "cancel_selected", number)
        noted = list(waiting[:MOST_AT_ONCE])
        count = manage.cancel(queryset)
        self._note(request, noted, count, _("Canceled."))
        told = ngettext("%(count)s mail is canceled.", "%(count)s mails are canceled.", count)
        messages.success(request, told % {"count": count})
        return None

    @admin.action(
        description=gettext_lazy("Mark the selected mails as dealt with"),
        permissions=["deal_with"],
    )
    def deal_with_selected(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Mark the chosen mails as dealt with."""
        noted = list(queryset.filter(needs_attention=True)[:MOST_AT_ONCE])
        count = manage.deal_with(queryset)
        if not count:
            messages.warning(
                request,
                _(
                    "None of these mails needs attention. Only those that do can be marked as "
                    "dealt with: mails that failed, whose fate is not known, or that were set "
                    "aside."
                ),
            )
            return
        self._note(request, noted, count, _("Marked as dealt with."))
        told = ngettext(
            "%(count)s mail is marked as dealt with.",
            "%(count)s mails are marked as dealt with.",
            count,
        )
        messages.success(request, told % {"count": count})

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Message], action: str, count: int
    ) -> HttpResponse:
        """Show what an action is about to do, to how many mails, and which it leaves out."""
        rows = queryset.defer(None).defer("search", "recipe")[:SHOWN]
        context = {
            **self.page_context(request, None),
            "title": _("Are you sure?"),
            "original": _("Are you sure?"),
            "action": action,
            "count": count,
            "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
            "across": request.POST.get("select_across", "0"),
            "rows": [(row, _why_left_out(row, action)) for row in rows],
            # Without counting all that a filter finds.
            "leaves_out": queryset.order_by()[: count + 1].count() > count,
            "mark": get_random_string(20),
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/mailsetup/message/confirm.html", context)

    def _note(self, request: HttpRequest, rows: list[Message], count: int, sentence: str) -> None:
        """Write into the history what was done: for each mail, or once for very many."""
        trouble.forget()
        if not count:
            return
        kind = ContentType.objects.get_for_model(Message)
        noted = [(row.pk, str(row)) for row in rows] if count <= MOST_AT_ONCE else [(None, "")]
        if count > MOST_AT_ONCE:
            sentence = f"{sentence} ({count})"
        LogEntry.objects.bulk_create(
            LogEntry(
                user_id=request.user.pk,
                content_type=kind,
                object_id=pk,
                object_repr=(name or _("mail log"))[:200],
                action_flag=CHANGE,
                change_message=sentence,
            )
            for pk, name in noted
        )
