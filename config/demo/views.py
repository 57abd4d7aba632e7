"""The demo's inbox: what the demo mail server received. For staff, and only in the demo."""

from datetime import timedelta

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from config.demo import inbox as mailbox
from config.demo import state

# Mail is written by strangers: it runs no script, sends no form and fetches nothing.
MAIL_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"

staff_only = staff_member_required(login_url="login")


@require_safe
@staff_only
def inbox(request: HttpRequest) -> HttpResponse:
    """List the mails, the newest first."""
    page = Paginator(mailbox.keys(state.MAILS), 25).get_page(request.GET.get("page"))
    mails = [mailbox.summary(state.MAILS, key) for key in page]
    minute_ago = timezone.now() - timedelta(minutes=1)
    context = {"page": page, "mails": mails, "minute_ago": minute_ago}
    return render(request, "demo/inbox.html", context)


@require_safe
@staff_only
def mail(request: HttpRequest, key: str) -> HttpResponse:
    """Show one mail: the HTML as it looks, the text, or the source."""
    found = _mail_or_404(key)
    parts = [
        ("html", _("HTML"), found.html is not None),
        ("text", _("Plain text"), found.text is not None),
        ("source", _("Source"), True),
    ]
    parts = [(name, label) for name, label, there in parts if there]
    wanted = request.GET.get("part")
    shown = wanted if wanted in dict(parts) else parts[0][0]
    context = {"mail": found, "parts": parts, "shown": shown, "headers": headers(found)}
    if shown == "source":
        context["source"] = found.source.decode(errors="replace")
    return render(request, "demo/mail.html", context)


@require_safe
@xframe_options_sameorigin
@staff_only
def mail_html(request: HttpRequest, key: str) -> HttpResponse:
    """Return the HTML part, for the frame of the mail's page."""
    html = _mail_or_404(key).html
    if html is None:
        raise Http404
    return HttpResponse(html, headers={"Content-Security-Policy": MAIL_POLICY})


@require_POST
@staff_only
def empty(request: HttpRequest) -> HttpResponse:
    """Delete all mails."""
    count = mailbox.empty(state.MAILS)
    messages.success(
        request,
        ngettext("%(count)d mail deleted.", "%(count)d mails deleted.", count) % {"count": count},
    )
    return redirect("demo:inbox")


def headers(found: mailbox.Mail) -> list[tuple[str, str]]:
    """Return the headers that people read, with the names that their mail programs give them."""
    names = {
        "From": pgettext("mail header", "From"),
        "To": pgettext("mail header", "To"),
        "Cc": pgettext("mail header", "Cc"),
        "Reply-To": pgettext("mail header", "Answers to"),
        "Subject": pgettext("mail header", "Subject"),
        "Date": pgettext("mail header", "Date"),
    }
    return [
        (label, str(found.message[name])) for name, label in names.items() if found.message[name]
    ]


def _mail_or_404(key: str) -> mailbox.Mail:
    found = mailbox.read(state.MAILS, key)
    if found is None:
        raise Http404
    return found
