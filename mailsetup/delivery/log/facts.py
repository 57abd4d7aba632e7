"""What the log says of a mail, whether it was sent at once or left to the outbox."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mailsetup.delivery.log.caller import Caller
from mailsetup.redaction import redact


def facts(
    subject: object,
    from_email: object,
    recipients: Sequence[str],
    message_id: str,
    caller: Caller,
) -> dict[str, Any]:
    """Return the columns of a message that tell what it is.

    Args:
        subject: as the app gave it; links and codes are taken out.
        from_email: the From that goes out.
        recipients: the bare addresses that get it.
        message_id: its Message-ID.
        caller: who asked for it.
    """
    shown = _shown(str(subject or ""))
    sender = one_line(from_email)[:400]
    addresses = [storable(address) for address in recipients]
    message_id = storable(message_id)[:255]
    return {
        "message_id": message_id,
        "from_email": sender,
        "recipients": addresses,
        "subject": shown,
        "search": "\n".join([*addresses, sender, shown, message_id]).lower(),
        "app": caller.app[:100],
        "caller": caller.caller[:250],
    }


@lru_cache(maxsize=256)
def _shown(subject: str) -> str:
    # From memory: a newsletter has one subject.
    return redact(one_line(subject))[:500]


def one_line(value: object) -> str:
    """Return a header's value on one line, fit to be stored."""
    return storable(" ".join(str(value or "").split()))


def storable(text: str) -> str:
    """Return a text without what databases refuse: NUL, and halves of surrogate pairs."""
    if text.isprintable():
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
