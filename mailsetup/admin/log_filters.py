"""What makes the mail log's list short to read and fast: filters, counters, pages.

Nothing here counts or lists without a limit, so that the list opens as fast with a million rows as
with a hundred.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsetup.admin.log_search import Found
from mailsetup.models import Message, State

# Pages and counters end here; what is beyond is reached by "older mails", or a filter.
MOST_COUNTED = 10_000
MOST_CHOICES = 50


def counted(count: int) -> str:
    """Return a number for people, with a plus where counting ended there."""
    shown = number_format(min(count, MOST_COUNTED), force_grouping=True)
    return f"{shown}+" if count > MOST_COUNTED else shown


class StateFilter(admin.SimpleListFilter):
    """By state; and by whether somebody has to look at it."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return all states."""
        return State.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Keep the mails of the state."""
        return queryset.filter(state=self.value()) if self.value() else queryset


class AttentionFilter(admin.SimpleListFilter):
    """Those that nobody has dealt with yet."""

    title = gettext_lazy("attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the only choice."""
        return [("1", _("needs attention"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Keep the mails that are in trouble and not dealt with."""
        return queryset.filter(needs_attention=True) if self.value() == "1" else queryset


class DateFilter(admin.SimpleListFilter):
    """By when the mail was asked for."""

    title = gettext_lazy("date")
    parameter_name = "date"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the spans."""
        return [("today", _("Today")), ("7", _("Past 7 days")), ("30", _("Past 30 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Keep the mails of the span."""
        if self.value() not in {"today", "7", "30"}:
            return queryset
        today = timezone.localtime() if timezone.is_aware(timezone.now()) else timezone.now()
        since = today.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.value() != "today":
            since -= timedelta(days=int(self.value() or 0))
        return queryset.filter(created_at__gte=since)


class _ColumnFilter(admin.SimpleListFilter):
    """By what stands in an indexed column."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return what stands there, each once."""
        queryset = model_admin.get_queryset(request)
        found = distinct(queryset, self.parameter_name)
        chosen = request.GET.get(self.parameter_name)
        if chosen and chosen not in found:
            found.append(chosen)
        return [(value, value) for value in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Keep the mails with the chosen value."""
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value else queryset


class ProfileFilter(_ColumnFilter):
    """By the profile that it went out by."""

    title = gettext_lazy("profile")
    parameter_name = "profile"


class AppFilter(_ColumnFilter):
    """By the app that asked for it."""

    title = gettext_lazy("app")
    parameter_name = "app"


class BeforeFilter(admin.SimpleListFilter):
    """Mails older than one: how the list goes on where its pages end."""

    title = gettext_lazy("older than")
    parameter_name = "before"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the chosen mail alone; the list's own link is what chooses it."""
        value = request.GET.get(self.parameter_name, "")
        if not value.isdecimal() or len(value) > 18:
            return []
        return [(value, _("mail no. %(number)s") % {"number": value})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Keep the older ones."""
        value = self.value() or ""
        return queryset.filter(pk__lt=int(value)) if value.isdecimal() else queryset


FILTERS = [AttentionFilter, StateFilter, DateFilter, ProfileFilter, AppFilter, BeforeFilter]


def distinct(queryset: QuerySet[Message], column: str) -> list[str]:
    """Return what stands in an indexed column, each value once, without the empty one.

    One look-up in the index for each value: a DISTINCT would read a million rows.
    """
    connection = connections[queryset.db]
    name, table = (
        connection.ops.quote_name(column),
        connection.ops.quote_name(Message._meta.db_table),
    )
    statement = (
        f"WITH RECURSIVE found(value) AS (SELECT MIN({name}) FROM {table} WHERE {name} > '' "  # noqa: S608
        f"UNION ALL SELECT (SELECT MIN({name}) FROM {table} WHERE {name} > found.value) "
        f"FROM found WHERE found.value IS NOT NULL) "
        f"SELECT value FROM found WHERE value IS NOT NULL LIMIT {MOST_CHOICES}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]


def counters(queryset: QuerySet[Message]) -> dict[str, int]:
    """Return how many mails are in each state, and how many need attention, in one query.

    Counting ends one after ``MOST_COUNTED``; each is read from an index alone.
    """
    wanted = {state: queryset.filter(state=state) for state in State.values}
    wanted["attention"] = queryset.filter(needs_attention=True)
    parts, params = [], []
    for name, rows in wanted.items():
        inner, values = rows.order_by().values("state")[: MOST_COUNTED + 1].query.sql_with_params()
        parts.append(f"SELECT %s, COUNT(*) FROM ({inner}) counted")  # noqa: S608 - from the ORM
        params += [name, *values]
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), params)
        return dict(cursor.fetchall())


class CappedPaginator(Paginator):
    """Pages over the first ``MOST_COUNTED`` rows; nothing beyond is counted."""

    @cached_property
    def count(self) -> int:
        """How many rows the pages show."""
        self.is_capped = False
        found = self.object_list.order_by()[: MOST_COUNTED + 1].count()
        self.is_capped = found > MOST_COUNTED
        return min(found, MOST_COUNTED)


class LogChangeList(ChangeList):
    """The list, with what its pages say of themselves."""

    found: Found | None = None

    def get_results(self, request: HttpRequest) -> None:
        """Take the page's rows, and where the list goes on."""
        super().get_results(request)
        # The search box says no number of its own: it could not tell where counting ended.
        self.full_result_count = self.result_count
        self.found = getattr(request, "mailsetup_found", None)
        self.is_capped = bool(getattr(self.paginator, "is_capped", False))
        pages = self.paginator.num_pages
        self.newer_url = self._page(self.page_num - 1) if self.page_num > 1 else ""
        self.older_url = self._page(self.page_num + 1) if self.page_num < pages else ""
        self.total = counted(self.result_count + self.is_capped)
        self.on_url = ""
        if not self.older_url and (before := self._goes_on_before()):
            self.on_url = self.get_query_string({BeforeFilter.parameter_name: before}, ["p"])

    def _page(self, number: int) -> str:
        return self.get_query_string({"p": number})

    def _goes_on_before(self) -> int | None:
        """Return before which key the list goes on where its pages end."""
        if self.found is not None and self.found.before is not None:
            return self.found.before
        if self.is_capped:
            # The page's rows are read now, once: the list shows these very objects.
            self.result_list = list(self.result_list)
            return self.result_list[-1].pk if self.result_list else None
        return None
