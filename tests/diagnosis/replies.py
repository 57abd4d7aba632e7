"""Errors as the transport makes them of a reply, for the tests of the diagnosis."""

from __future__ import annotations

import re

from mailsetup.smtp.errors import (
    ConnectionLostError,
    ContentRefusedError,
    LoginRefusedError,
    RecipientsRefusedError,
    SenderRefusedError,
    Stage,
    TransportError,
)

KINDS = {
    Stage.LOGIN: LoginRefusedError,
    Stage.SENDER: SenderRefusedError,
    Stage.RECIPIENT: RecipientsRefusedError,
    Stage.CONTENT: ContentRefusedError,
}
ENHANCED = re.compile(r"\d{3} ([245]\.\d{1,3}\.\d{1,3}) ")


def refusal(reply: str, stage: Stage = Stage.RECIPIENT, host: str = "mail.example.com"):
    """Return the error that *reply* ("550 5.1.1 no") at *stage* becomes."""
    code = int(reply[:3])
    enhanced = ENHANCED.match(reply)
    kind = ConnectionLostError if code == 421 else KINDS.get(stage, TransportError)
    return kind(
        f"{host} said no: {reply}",
        stage=stage,
        code=code,
        enhanced_code=enhanced[1] if enhanced else "",
        reply=reply,
        host=host,
    )
