"""What the admin says when the default profile is deleted: which one takes its place."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from mailsetup.models import SMTPProfile
from mailsetup.models.profile import next_default


class TellsNewDefault:
    """The part of the profiles' admin that deletes, one by one or as the list's action."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say, before a deletion is confirmed, which profile will be the default after it."""
        deleted = [row.pk for row in objs]
        if "post" not in request.POST and any(row.is_default for row in objs):
            next_one = next_default(SMTPProfile.objects.exclude(pk__in=deleted))
            if next_one is not None:
                messages.warning(
                    request,
                    _(
                        "You are about to delete the default profile. “%(profile)s” will be the "
                        "default then: mails that name no other will go out by it."
                    )
                    % {"profile": next_one.slug},
                )
        return super().get_deleted_objects(objs, request)

    def delete_model(self, request: HttpRequest, obj: SMTPProfile) -> None:
        """Delete, and name the new default."""
        before = self._default_slug()
        super().delete_model(request, obj)
        self._tell_new_default(request, before)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SMTPProfile]) -> None:
        """Delete, and name the new default."""
        before = self._default_slug()
        super().delete_queryset(request, queryset)
        self._tell_new_default(request, before)

    def _default_slug(self) -> str | None:
        return SMTPProfile.objects.filter(is_default=True).values_list("slug", flat=True).first()

    def _tell_new_default(self, request: HttpRequest, before: str | None) -> None:
        now = self._default_slug()
        if now is not None and now != before:
            messages.warning(
                request,
                _(
                    "“%(profile)s” is the default profile now: mails that name no other go out "
                    "by it."
                )
                % {"profile": now},
            )
