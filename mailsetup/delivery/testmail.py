"""The test mail: a fixed text, so that the test page is no tool for sending spam.

Also the connection check, which goes as far as the login and sends nothing. Both open a
connection of their own, so that what is tested is what a first mail would meet.
"""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from mailsetup.delivery.compose import compose, new_message_id
from mailsetup.effective import Effective
from mailsetup.exceptions import ConfigurationError
from mailsetup.smtp.errors import TransportError
from mailsetup.smtp.session import Session
from mailsetup.smtp.transcript import Transcript

# The stage of a failure before any server is asked.
SETTINGS_STAGE = "settings"


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test ended.

    Attributes:
        passed: whether the server took the mail, or the login where only that was asked.
        check_only: whether no mail was to be sent.
        dropped: the profile is set to "do not send": nothing left the site.
        stage: where it failed, a value of ``Stage`` or ``"settings"``; "" where it passed.
        error: what went wrong; its ``str()`` is a whole sentence.
        code, enhanced_code, reply: what the server answered last.
        seconds: how long it took.
        tls_version, cipher: how the connection was encrypted; "" for not at all.
        transcript: the conversation, secrets masked.
        message_id: of the mail that was sent.
    """

    passed: bool
    check_only: bool = False
    dropped: bool = False
    stage: str = ""
    error: Exception | None = None
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    seconds: float = 0.0
    tls_version: str = ""
    cipher: str = ""
    transcript: Transcript | None = None
    message_id: str = ""

    # Not a test, whatever its name looks like to a test runner.
    __test__ = False


def run_test(
    effective: Effective,
    *,
    to: str,
    html: bool,
    site_name: str,
    language: str,
    check_only: bool = False,
) -> TestResult:
    """Send the test mail, or only connect and log in; a failure is a result, not an exception.

    The whole takes no longer than the account's timeout.

    Args:
        effective: the account, saved or not.
        to: the recipient's address.
        html: send an HTML part beside the text.
        site_name: what the mail calls this site.
        language: the language code of the mail.
        check_only: log in and send nothing.
    """
    started = time.monotonic()
    transcript = Transcript()
    outcome: dict[str, Any] = {}
    try:
        effective.require_usable()
        if effective["do_not_send"] and not check_only:
            return TestResult(passed=True, dropped=True)
        mail = None if check_only else {"to": to, "html": html, "site_name": site_name}
        expires = started + effective.account.timeout
        with translation.override(language):
            outcome = _talk(effective, transcript, expires, mail)
        error = outcome.pop("error", None)
    except (TransportError, ConfigurationError, ValueError) as failure:
        error = failure
    outcome = _encryption(transcript) | outcome | _from_error(error)
    return TestResult(
        passed=error is None,
        check_only=check_only,
        error=error,
        seconds=time.monotonic() - started,
        transcript=transcript,
        **outcome,
    )


def _encryption(transcript: Transcript) -> dict[str, Any]:
    """Read how the connection was encrypted where the attempt failed later on."""
    notes = [line.text.split() for line in transcript.lines if line.direction == "*"]
    found = next((words for words in notes if words and words[0].startswith("TLSv")), [])
    return dict(zip(("tls_version", "cipher"), found, strict=False))


def site_name(request: HttpRequest | None = None) -> str:
    """Return what the test mail calls this site: its name, or else its host.

    Args:
        request: tells which site and host, where there is one.
    """
    if apps.is_installed("django.contrib.sites"):
        from django.contrib.sites.models import Site  # noqa: PLC0415 - only where installed

        # Without a row for this host, or SITE_ID, a mail can be tested all the same.
        with suppress(Site.DoesNotExist, ImproperlyConfigured):
            return str(Site.objects.get_current(request).name)
    if request is not None:
        return request.get_host()
    hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host not in {"*", "[::1]"}]
    return hosts[0] if hosts else socket.gethostname()


def _from_error(error: Exception | None) -> dict[str, Any]:
    if error is None:
        return {}
    if not isinstance(error, TransportError):
        return {"stage": SETTINGS_STAGE}
    return {
        "stage": str(error.stage),
        "code": error.code,
        "enhanced_code": error.enhanced_code,
        "reply": error.reply,
    }


def _talk(
    effective: Effective, transcript: Transcript, expires: float, mail: dict[str, Any] | None
) -> dict[str, Any]:
    session = Session.open(effective.account, transcript=transcript, expires=expires)
    try:
        found = {"tls_version": session.tls_version, "cipher": session.cipher}
        if mail is None:
            return found
        message = build(effective, session, **mail)
        envelope = compose(message, effective)
        receipt = session.deliver([envelope], expires=expires)[0]
        refused = next(iter(receipt.refused.values()), None)
        return found | {
            "error": receipt.error or refused,
            "code": receipt.code,
            "enhanced_code": receipt.enhanced_code,
            "reply": receipt.reply,
            "message_id": message.extra_headers["Message-ID"],
        }
    finally:
        session.quit()


def build(
    effective: Effective, session: Session, *, to: str, html: bool, site_name: str
) -> EmailMultiAlternatives:
    """Make the test mail: it tells site, profile, time, and how it was encrypted."""
    context = {
        "site_name": site_name,
        "profile": effective.slug or _("the site's own settings"),
        "server": f"{effective['host']}:{effective['port']}",
        "sent_at": timezone.now(),
        "tls_version": session.tls_version,
        "cipher": session.cipher,
        "login": effective["login"] != "none",
        "language": translation.get_language(),
    }
    sender = effective.from_email or settings.DEFAULT_FROM_EMAIL
    message = EmailMultiAlternatives(
        subject=_("Test mail from %(site)s") % {"site": site_name},
        body=render_to_string("mailsetup/mail/test.txt", context),
        from_email=sender,
        to=[to],
        # RFC 3834: so that nobody's out-of-office notice answers it.
        headers={"Auto-Submitted": "auto-generated", "Message-ID": new_message_id(sender)},
    )
    if html:
        message.attach_alternative(
            render_to_string("mailsetup/mail/test.html", context), "text/html"
        )
    return message
