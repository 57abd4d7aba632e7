"""A profile whose mail is kept back: told on its pages, and let go on by a button."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from mailsetup.admin import trouble
from mailsetup.delivery import manage
from mailsetup.models import SMTPProfile


class Resumes:
    """The part of the profiles' admin that lifts a stop or a hold."""

    def kept_context(self, request: HttpRequest, slug: str | None = None) -> dict[str, Any]:
        """Return what the pages tell of profiles whose mail is kept back.

        Args:
            request: who looks.
            slug: the profile that the page is about; None for all.
        """
        kept = trouble.kept_back()
        return {
            "kept": [each for each in kept if slug is None or each.slug == slug],
            "resume_url": self.url_of("resume") if self.has_change_permission(request) else "",
        }

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Lift a profile's stop or hold."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        slug = request.POST.get("profile", "")
        done = manage.resume(slug)
        trouble.forget()
        if done:
            row = SMTPProfile.objects.filter(slug=slug).first()
            if row is not None:
                self.log_change(request, row, _("Resumed."))
            messages.success(request, _("The mail of the profile “%s” goes on.") % slug)
        else:
            messages.warning(request, _("Nothing keeps the mail of that profile back."))
        return HttpResponseRedirect(self._then(request))

    def _then(self, request: HttpRequest) -> str:
        target = request.POST.get("next", "")
        if url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/"):
            return target
        return self.url_of("changelist")
