"""The mail log in the admin: its list, the page of one mail, and what can be done there.

Refused here: adding and changing mails, showing links and codes to who may not, running or
fetching anything of a mail, and acting on GET.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.forms.widgets import Script
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.views.debug import SafeExceptionReporterFilter

from mailsetup.admin.addresses import Addresses
from mailsetup.admin.log_actions import MessageActions
from mailsetup.admin.log_export import MessageExport
from mailsetup.admin.log_list import MessageList
from mailsetup.admin.log_message import MessagePage
from mailsetup.admin.log_purge import MessagePurge
from mailsetup.admin.unmigrated import tell_to_migrate

# Django's permission to change stands for marking as dealt with: nothing else can be changed.
PERMISSIONS = {"deal_with": "change"}


class _NoVariables(SafeExceptionReporterFilter):
    """Leaves the variables of all frames out of a report: texts of mails stand in them."""

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: Any) -> list[Any]:
        return []


def _telling_no_variables(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Keep what a page reads of mails out of the report of its failure, be DEBUG on or off."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.exception_reporter_filter = _NoVariables()
        return view(request, *args, **kwargs)

    return wrapper


class MessageAdmin(
    MessageList,
    MessagePage,
    MessageActions,
    MessageExport,
    MessagePurge,
    Addresses,
    admin.ModelAdmin,
):
    """The admin of :class:`mailsetup.models.Message`."""

    def resume_url(self, request: HttpRequest) -> str:
        """Return where a profile is resumed; "" for who may not, or where there are no profiles."""
        if not request.user.has_perm("mailsetup.change_smtpprofile"):
            return ""
        try:
            return reverse("admin:mailsetup_smtpprofile_resume", current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""

    def get_urls(self) -> list[URLPattern]:
        """Put the extra pages before those of an object."""
        pages = {
            "preview": self.preview_view,
            "reveal": self.reveal_view,
            "attachment": self.attachment_view,
            "eml": self.eml_view,
            "resend": self.resend_view,
            "cancel": self.cancel_view,
            "send_now": self.send_now_view,
            "dealt_with": self.dealt_with_view,
        }
        wrap = self.admin_site.admin_view
        patterns = [
            path("export/", wrap(self.export_view), name=f"{self.url_names}_export"),
            path("purge/", wrap(self.purge_view), name=f"{self.url_names}_purge"),
            *(
                path(
                    f"<int:object_id>/{name.replace('_', '-')}/",
                    wrap(view),
                    name=f"{self.url_names}_{name}",
                )
                for name, view in pages.items()
            ),
            *super().get_urls(),
        ]
        for pattern in patterns:
            pattern.callback = _telling_no_variables(pattern.callback)
        return tell_to_migrate(self.admin_site, patterns)

    @property
    def media(self) -> forms.Media:
        """The stock scripts and styles, and ours."""
        styles = [f"mailsetup/css/{name}.css" for name in ("admin", "log")]
        scripts = [Script("mailsetup/js/test.js", type="module")]
        return super().media + forms.Media(css={"all": styles}, js=scripts)

    # -- Who may what.

    def may(self, request: HttpRequest, *names: str) -> bool:
        """Tell whether the user has these permissions on mails."""
        return request.user.has_perms(
            [f"{self.opts.app_label}.{PERMISSIONS.get(name, name)}_message" for name in names]
        )

    def demand(self, request: HttpRequest, *names: str) -> None:
        """Refuse the request where the user may not see the log, or lacks one of these permissions.

        Raises:
            PermissionDenied: one is missing.
        """
        if not self.may(request, "view", *names):
            raise PermissionDenied

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow reading by its own permission alone."""
        return self.may(request, "view")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: mails are put here by sending them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: what happened is not rewritten."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: old entries go by purging, not one by one."""
        return False
