"""Deleting old entries of the log by hand: asked twice, noted once."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from mailsetup import conf
from mailsetup.admin import trouble
from mailsetup.admin.log_filters import MOST_COUNTED, counted
from mailsetup.delivery.log.purge import Limits, purge
from mailsetup.models import Message
from mailsetup.models.message import SETTLED

# Seconds that one press may take; the rest is for the next one.
SECONDS = 20.0


class PurgeForm(forms.Form):
    """What is old."""

    days = forms.IntegerField(
        label=gettext_lazy("Older than"),
        min_value=0,
        max_value=36_500,
        widget=forms.NumberInput(attrs={"class": "vIntegerField"}),
        help_text=gettext_lazy("Days since the mail was sent, failed or was canceled."),
    )
    troubled = forms.BooleanField(
        label=gettext_lazy("Also those that need attention"), required=False
    )


class MessagePurge:
    """The part of the log's admin that deletes."""

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def purge_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to delete, tell how much that is, and delete it."""
        self.demand(request, "purge")
        form = PurgeForm(
            request.POST if request.method == "POST" else None,
            initial={"days": conf.option("LOG_DAYS") or 90},
        )
        count = None
        if request.method == "POST" and form.is_valid():
            if "confirmed" in request.POST:
                return self._purge(request, **form.cleaned_data)
            count = _count(**form.cleaned_data)
        title = _("Delete old entries")
        context = {
            **self.page_context(request, None),
            "title": title,
            # The last of the breadcrumbs, which the stock template makes of the object.
            "original": title,
            "form": form,
            "asked": count is not None,
            "count": count or 0,
            "shown": counted(count or 0),
            "purge_url": self.url_of("purge"),
        }
        return TemplateResponse(request, "admin/mailsetup/message/purge.html", context)

    def _purge(self, request: HttpRequest, *, days: int, troubled: bool) -> HttpResponse:
        limits = Limits(
            days=days, content_days=None, rows=None, content_bytes=None, troubled=troubled
        )
        purged = purge(limits, seconds=SECONDS)
        trouble.forget()
        told = ngettext(
            "%(count)s entry of the mail log was deleted.",
            "%(count)s entries of the mail log were deleted.",
            purged.messages,
        ) % {"count": purged.messages}
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(Message),
            object_repr=_("mail log"),
            action_flag=DELETION,
            change_message=told,
        )
        messages.success(request, told)
        if not purged.finished:
            messages.warning(request, _("There are more of them. Press once more to go on."))
            return HttpResponseRedirect(self.url_of("purge"))
        return HttpResponseRedirect(self.url_of("changelist"))


def _count(*, days: int, troubled: bool) -> int:
    """Return how many entries would go, at most one more than are counted anywhere."""
    before = timezone.now() - timedelta(days=days)
    values: dict[str, Any] = {"state__in": list(SETTLED), "created_at__lt": before}
    rows = Message.objects.filter(**values).exclude(settled_at__gte=before).order_by()
    if not troubled:
        rows = rows.filter(needs_attention=False)
    return rows.values("pk")[: MOST_COUNTED + 1].count()
