"""``{% mailsetup_trouble %}``: the line that tells of failing mail, for the admin's pages.

With ``mailsetup`` before ``django.contrib.admin`` in ``INSTALLED_APPS`` it is there already. A
site with an ``admin/base_site.html`` of its own puts it into the block ``messages``.
"""

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse

from mailsetup.admin import trouble

register = template.Library()


@register.inclusion_tag("mailsetup/trouble.html", takes_context=True)
def mailsetup_trouble(context: template.Context) -> dict[str, Any]:
    """Tell of failing mail, and of profiles whose mail is kept back, to who may see the log."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or context.get("is_popup") or not user.has_perm("mailsetup.view_message"):
        return {}
    found = trouble.now()
    # Of these the page itself tells, with a button to go on.
    told = {each.slug for each in context.get("kept", ())}
    kept = [each for each in found.kept if each.slug not in told]
    return {
        "failing": found.failing,
        "more": found.failing > trouble.MOST_COUNTED,
        "most": trouble.MOST_COUNTED,
        "kept": kept,
        "dropping": found.dropping,
        "list_url": _url(request, "mailsetup_message_changelist"),
        "profiles_url": _url(request, "mailsetup_smtpprofile_changelist")
        if user.has_perm("mailsetup.view_smtpprofile")
        or user.has_perm("mailsetup.change_smtpprofile")
        else "",
    }


def _url(request: Any, name: str) -> str:
    """Return an address on this admin site; "" where it has no such page."""
    site = getattr(request, "current_app", None) or _namespace(request)
    try:
        return reverse(f"admin:{name}", current_app=site)
    except NoReverseMatch:
        return ""


def _namespace(request: Any) -> str | None:
    match = getattr(request, "resolver_match", None)
    return match.namespace if match else None
