"""What is kept of a test for the page that shows it: in the session, so that a reload shows it
again and sends nothing.

Kept are words, codes and the masked conversation; never an exception, a secret or an account.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import get_language

from mailsetup.admin import status
from mailsetup.admin.advice import advise, ladder, stage_label
from mailsetup.delivery.log import sentences
from mailsetup.delivery.testmail import SETTINGS_STAGE, TestResult
from mailsetup.diagnosis import judge
from mailsetup.effective import Effective
from mailsetup.smtp.errors import TransportError
from mailsetup.smtp.scrub import visible

SESSION_KEY = "mailsetup_test"
MAX_LINES = 200
# A session that lives in a cookie has room for about 4,000 bytes in all.
MAX_LINES_IN_COOKIE = 10


def keep(
    request: HttpRequest,
    result: TestResult,
    profile: Effective,
    *,
    to: str,
    html: bool,
    unsaved: bool,
) -> str:
    """Keep a result for the next page, and return its key.

    Args:
        request: its session keeps the result; an older one gives way.
        result: how the test ended.
        profile: what was tested.
        to: the recipient.
        html: whether an HTML mail was asked for.
        unsaved: whether the values were typed and not saved.
    """
    key = get_random_string(12)
    lines = result.transcript.lines if result.transcript else []
    in_cookie = "signed_cookies" in settings.SESSION_ENGINE
    kept = lines[-(MAX_LINES_IN_COOKIE if in_cookie else MAX_LINES) :]
    request.session[SESSION_KEY] = {
        "key": key,
        "passed": result.passed,
        "check_only": result.check_only,
        "dropped": result.dropped,
        "stage": result.stage,
        "error": type(result.error).__name__ if result.error else "",
        **_told(result.error, profile.provider),
        "timed_out": isinstance(result.error, TimeoutError),
        "sentence": visible(str(result.error)) if result.error else "",
        "answer": _answer(result),
        "enhanced_code": result.enhanced_code,
        "seconds": round(result.seconds, 2),
        "tls_version": result.tls_version,
        "cipher": result.cipher,
        "message_id": result.message_id,
        "lines": [list(line) for line in kept],
        "left_out": len(lines) - len(kept),
        "to": to,
        "html": html,
        "unsaved": unsaved,
        "profile": profile.slug,
        "provider": profile.provider,
        "host": profile["host"],
        "port": profile["port"],
        "encryption": profile["encryption"],
        "login": profile["login"],
        "label": status.profile_label(profile),
        "server": status.server_label(profile),
        "at": timezone.now().isoformat(),
    }
    return key


def find(request: HttpRequest, key: str) -> dict[str, Any] | None:
    """Return what the page shows of a kept result; None where it is gone."""
    kept = request.session.get(SESSION_KEY)
    if not key or not kept or kept["key"] != key:
        return None
    failed = not kept["passed"]
    lines = [
        (offset, direction, words)
        for offset, direction, text in kept["lines"]
        if (words := text if _is_said(direction, text) else _remark(text))
    ]
    return kept | {
        "sentence": _remark(kept["sentence"]),
        "advice": advise(kept) if failed else None,
        "stage_label": stage_label(kept["stage"]) if failed else "",
        "ladder": _ladder(kept),
        # Where no server was asked, the sentence has said it all.
        "transcript": ""
        if kept["stage"] == SETTINGS_STAGE
        else "\n".join(_line(*line) for line in lines),
    }


def _told(error: Exception | None, provider: str) -> dict[str, str]:
    """Return what the server's words tell: the cause, and what would become of a mail."""
    if not isinstance(error, TransportError):
        return {"cause": "", "outcome": ""}
    judged = judge(error, provider)
    return {"cause": judged.cause, "outcome": str(judged.outcome)}


def _answer(result: TestResult) -> str:
    """Return the server's reply with its code, on one line, with nothing hidden in it."""
    code = "" if result.code is None else str(result.code)
    reply = visible(result.reply)
    return reply if reply.startswith(code) else f"{code} {reply}".strip()


def _is_said(direction: str, text: str) -> bool:
    """Tell a line of the conversation, or the TLS version, from a remark."""
    return direction != "*" or text.startswith("TLSv")


def _remark(text: str) -> str:
    """Return what the transport remarks, in the reader's language; "" where it is not known there.

    The advice says the same in other words.
    """
    words = sentences.shown(text)
    is_read = (get_language() or "en").startswith("en") or words != text
    return words if is_read else ""


def _line(offset: int, direction: str, text: str) -> str:
    return f"{offset:>6} ms  {direction}: {text}"


def _ladder(kept: dict[str, Any]) -> list[dict[str, str]]:
    """Return the stages with their states: ``done``, ``failed`` or ``open`` (not reached)."""
    if kept["dropped"] or kept["stage"] == SETTINGS_STAGE:
        return []
    steps, state = [], "done"
    for stage in ladder(
        encryption=kept["encryption"], login=kept["login"], check_only=kept["check_only"]
    ):
        if stage == kept["stage"]:
            state = "failed"
        steps.append({"label": stage_label(stage), "state": state})
        if state == "failed":
            state = "open"
    return steps
