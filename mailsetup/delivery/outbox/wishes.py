"""What an app asks for one mail, by headers that plain Django code can set.

``X-Mailsetup-Priority``, ``-Send-At``, ``-Expires-At``, ``-Idempotency-Key`` and ``-Sending``. They
are read here and never sent. A value that cannot be used raises before anything is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.mail import EmailMessage
from django.utils.dateparse import parse_datetime

from mailsetup import conf
from mailsetup.delivery import moments
from mailsetup.delivery.compose import OWN_HEADERS
from mailsetup.models import Priority

PRIORITIES = {"high": Priority.HIGH, "normal": Priority.NORMAL, "bulk": Priority.BULK}
LONGEST_KEY = 200


@dataclass(slots=True)
class Wishes:
    """What one mail's headers say.

    Attributes:
        priority: None where nothing is said.
        send_at: not before; None for now.
        expires_at: not after.
        idempotency_key: a second mail with the same key is not sent.
        background: leave it to the outbox, or not; None as the profile says.
    """

    priority: Priority | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    idempotency_key: str | None = None
    background: bool | None = None

    @property
    def needs_outbox(self) -> bool:
        """Whether only the outbox can do what is asked for."""
        return bool(self.send_at or self.idempotency_key)


NONE = Wishes()


def read(message: EmailMessage) -> Wishes:
    """Return what a mail's headers ask for.

    Raises:
        ValueError: a header's value cannot be used; it names the header and what to write.
    """
    headers = message.extra_headers
    if not headers:
        return NONE
    asked = {
        name.lower()[len(OWN_HEADERS) :]: value
        for name, value in headers.items()
        if name.lower().startswith(OWN_HEADERS)
    }
    return _parsed(asked) if asked else NONE


def priority_of(app: str) -> Priority:
    """Return the priority of an app's mails that ask for none."""
    configured = conf.option("PRIORITIES").get(app, "normal")
    return PRIORITIES.get(str(configured), Priority.NORMAL)


def _parsed(asked: Mapping[str, Any]) -> Wishes:
    wishes = Wishes()
    for name, value in asked.items():
        if name == "priority":
            wishes.priority = _choice(name, value, PRIORITIES)
        elif name == "send-at":
            wishes.send_at = _moment(name, value)
        elif name == "expires-at":
            wishes.expires_at = _moment(name, value)
        elif name == "idempotency-key":
            wishes.idempotency_key = _key(name, value)
        elif name == "sending":
            wishes.background = _choice(name, value, {"background": True, "at_once": False})
        else:
            known = "Priority, Send-At, Expires-At, Idempotency-Key, Sending"
            raise ValueError(f"{_full(name)} is no header of mailsetup. They are: {known}.")
    return wishes


def _full(name: str) -> str:
    return OWN_HEADERS.title() + name.title()


def _choice(name: str, value: Any, choices: Mapping[str, Any]) -> Any:
    text = str(value).strip().lower().replace("-", "_")
    if text not in choices:
        raise ValueError(f"{_full(name)}: write one of {', '.join(choices)}, not {value!r}.")
    return choices[text]


def _moment(name: str, value: Any) -> datetime:
    moment = value
    if not isinstance(value, datetime):
        try:
            moment = parse_datetime(str(value).strip())
        except ValueError:
            moment = None
    if moment is None:
        raise ValueError(
            f"{_full(name)}: write a date and time such as 2030-01-31T09:30:00+07:00, "
            f"not {value!r}."
        )
    return moments.stored(moment)


def _key(name: str, value: Any) -> str:
    key = str(value).strip()
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise ValueError(
            f"{_full(name)}: write 1 to {LONGEST_KEY} printable characters on one line."
        )
    return key
