"""The mail log's list."""

from email.utils import parseaddr
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsetup.admin import log_words, trouble
from mailsetup.admin.log_filters import (
    FILTERS,
    CappedPaginator,
    LogChangeList,
    counted,
    counters,
)
from mailsetup.admin.log_search import search
from mailsetup.delivery.log import sentences
from mailsetup.models import Message, State

# Never needed for a list, and large.
HEAVY = ["content", "recipe", "search"]


class MessageList:
    """The part of the log's admin that lists."""

    list_display = ["when", "state_mark", "mail", "by_whom"]
    list_display_links = None
    list_filter = FILTERS
    list_per_page = 50
    list_max_show_all = 0
    # Other orders would read and sort all rows.
    sortable_by = ()
    ordering = ["-id"]
    paginator = CappedPaginator
    show_full_result_count = False
    # They would count all rows, for each choice.
    show_facets = admin.ShowFacets.NEVER
    # The search is our own: this only has the box shown.
    search_fields = ["search"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Leave the contents where they are."""
        return super().get_queryset(request).defer(*HEAVY)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse to filter by a column that nobody offers, indexed or not."""
        return lookup in {each.parameter_name for each in FILTERS}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that goes on where its pages end."""
        return LogChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """Search; how far the search went is kept for the page."""
        queryset, request.mailsetup_found = search(queryset, search_term)
        return queryset, False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the counters above the list."""
        context = {
            "title": _("Mail log"),
            "may_export": self.may(request, "export"),
            "may_purge": self.may(request, "purge"),
            "urls": {page: self.url_of(page) for page in ("export", "purge")},
        }
        if resume_url := self.resume_url(request):
            context |= {"resume_url": resume_url, "kept": trouble.now().kept}
        response = super().changelist_view(request, context | (extra_context or {}))
        if "cl" in (getattr(response, "context_data", None) or {}):
            response.context_data["counters"] = self._counters(request)
            response.context_data["query_string"] = request.GET.urlencode()
        return response

    def _counters(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return each state with how many mails are in it; those with none are left out."""
        counts = counters(super().get_queryset(request))
        chosen = request.GET.get("state")
        shown = [
            {
                "kind": state.value,
                "label": state.label,
                "count": counted(counts[state.value]),
                "query": f"state={state.value}",
                "chosen": chosen == state.value,
            }
            for state in State
            if counts[state.value]
        ]
        if counts["attention"]:
            shown.insert(
                0,
                {
                    "kind": "attention",
                    "label": _("needs attention"),
                    "count": counted(counts["attention"]),
                    "query": "attention=1",
                    "chosen": request.GET.get("attention") == "1",
                },
            )
        return shown

    # -- The columns.

    @admin.display(description=gettext_lazy("when"))
    def when(self, row: Message) -> SafeString:
        """When the mail was asked for."""
        return render_to_string("mailsetup/log_when.html", {"moment": row.created_at})

    @admin.display(description=gettext_lazy("state"))
    def state_mark(self, row: Message) -> SafeString:
        """The state, whether somebody has to look at it, attempts, and when the next one is due."""
        return render_to_string(
            "mailsetup/log_state.html",
            {
                "badge": log_words.state_badge(row.state),
                "row": row,
                "due": log_words.due(row.due_at, trouble.lately(row.profile))
                if row.state == State.QUEUED
                else "",
            },
        )

    @admin.display(description=gettext_lazy("mail"))
    def mail(self, row: Message) -> SafeString:
        """Subject, sender and recipients; why it is where it is."""
        return render_to_string(
            "mailsetup/log_mail.html",
            {
                "row": row,
                "url": self.url_of("change", row.pk),
                "sender": parseaddr(row.from_email)[1] or row.from_email,
                "recipients": log_words.recipients_line(row.recipients),
                "is_resent": row.resent_from is not None,
                "reason": sentences.shown(row.reason),
            },
        )

    @admin.display(description=gettext_lazy("profile and app"))
    def by_whom(self, row: Message) -> SafeString:
        """The profile; the app and the view, command or task that asked for it."""
        # "shop" before "shop.views.OrderView" tells nothing.
        app = "" if row.app and row.caller.startswith(row.app) else row.app
        parts = row.caller.split(".")
        return render_to_string("mailsetup/log_by.html", {"row": row, "app": app, "parts": parts})
