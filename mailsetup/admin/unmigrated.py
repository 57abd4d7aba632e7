"""The page in place of an error, where the app's tables are missing or older than its code."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from mailsetup.exceptions import SettingsUnavailableError
from mailsetup.models.tables import unapplied_migrations


def tell_to_migrate(site: AdminSite, patterns: Iterable[URLPattern]) -> list[URLPattern]:
    """Let an admin's pages say ``manage.py migrate`` where that is what a failed query lacks.

    Every address is covered, so that no page has to know of it. A query that fails for another
    reason fails as before.

    Args:
        site: the admin site of the pages.
        patterns: what ``get_urls`` of a model's admin makes; changed in place.
    """
    patterns = list(patterns)
    for pattern in patterns:
        pattern.callback = _telling(site, pattern.callback)
    return patterns


def _telling(site: AdminSite, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (DatabaseError, SettingsUnavailableError):
            missing = unapplied_migrations()
            if not missing:
                raise
        return _page(site, request, missing)

    return wrapper


def _page(site: AdminSite, request: HttpRequest, missing: list[str]) -> HttpResponse:
    request.current_app = site.name
    context = {
        **site.each_context(request),
        "title": _("The database is not ready for the mail settings"),
        "missing": missing,
    }
    return TemplateResponse(request, "admin/mailsetup/unmigrated.html", context, status=503)
