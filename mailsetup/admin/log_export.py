"""What leaves the log: the list as CSV, one mail as EML.

A CSV cell that a spreadsheet would take for a formula is prefixed. The list is written row by row,
so that a long one needs no memory. Subjects are as in the log, links and codes hidden. Columns,
states and reasons are in the reader's language.
"""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, override, pgettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from mailsetup.admin import log_words
from mailsetup.admin.log_content import Content
from mailsetup.admin.log_message import download
from mailsetup.delivery.log import sentences
from mailsetup.exceptions import ContentUnavailableError
from mailsetup.models import Message

# What a spreadsheet runs, where a cell begins with it.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CHUNK = 2000
COLUMNS = [
    pgettext_lazy("column", "id"),
    pgettext_lazy("column", "created_at"),
    pgettext_lazy("column", "settled_at"),
    pgettext_lazy("column", "state"),
    pgettext_lazy("column", "needs_attention"),
    pgettext_lazy("column", "profile"),
    pgettext_lazy("column", "app"),
    pgettext_lazy("column", "caller"),
    pgettext_lazy("column", "from"),
    pgettext_lazy("column", "recipients"),
    pgettext_lazy("column", "subject"),
    pgettext_lazy("column", "message_id"),
    pgettext_lazy("column", "size"),
    pgettext_lazy("column", "attempts"),
    pgettext_lazy("column", "next_attempt"),
    pgettext_lazy("column", "reason"),
]


def cell(value: Any) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value).replace("\0", "")
    return f"'{text}" if text.startswith(FORMULA) else text


def lines(queryset: QuerySet[Message], language: str = "en") -> Iterator[str]:
    """Yield the list as lines of CSV (RFC 4180), the names of the columns first.

    Args:
        queryset: the list.
        language: the reader's; the one in force may be another's by the time a line is asked for.
    """
    writer = csv.writer(_Echo())
    # Spreadsheets take a file for UTF-8 where it begins with this mark.
    with override(language):
        head = [str(name) for name in COLUMNS]
    yield "\N{BYTE ORDER MARK}" + writer.writerow(head)
    for row in queryset.iterator(chunk_size=CHUNK):
        with override(language):
            cells = [cell(value) for value in _values(row)]
        yield writer.writerow(cells)


def _values(row: Message) -> list[Any]:
    waits = row.settled_at is None
    return [
        row.pk,
        row.created_at.isoformat(),
        row.settled_at.isoformat() if row.settled_at else "",
        row.get_state_display(),
        _("yes") if row.needs_attention else _("no"),
        row.profile,
        row.app,
        row.caller,
        row.from_email,
        " ".join(log_words.texts(row.recipients)),
        row.subject,
        row.message_id,
        row.size,
        row.attempts_made,
        row.due_at.isoformat() if waits else "",
        sentences.shown(row.reason),
    ]


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


class MessageExport:
    """The part of the log's admin that exports."""

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Hand the list over as CSV, as the filters in the address say."""
        self.demand(request, "export")
        queryset = self.get_changelist_instance(request).get_queryset(request)
        entry = LogEntry(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(Message),
            object_repr=_("mail log"),
            action_flag=CHANGE,
            change_message=_("Exported as CSV."),
        )
        entry.save()
        response = StreamingHttpResponse(
            lines(queryset, get_language() or "en"), content_type="text/csv; charset=utf-8"
        )
        name = f"mail-log-{timezone.now():%Y-%m-%d}.csv"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @method_decorator(require_POST)
    def eml_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Hand one mail over as a file, and note it."""
        self.demand(request, "export", "reveal")
        row = self.find(object_id)
        try:
            octets = Content(row).octets
        except ContentUnavailableError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self.url_of("change", row.pk))
        self.log_change(request, row, _("Downloaded as a file."))
        return download(octets, f"mail-{row.pk}.eml", "message/rfc822")
