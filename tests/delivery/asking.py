"""A backend that asks who asks for a mail, in the place of mailsetup's own."""

from __future__ import annotations

from typing import Any

from django.core.mail.backends.base import BaseEmailBackend

from mailsetup.delivery.log.caller import Caller, who_asks

asked: list[Caller] = []


class EmailBackend(BaseEmailBackend):
    """Takes down who asked; sends nothing."""

    def __init__(self, fail_silently: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def send_messages(self, messages: list[Any]) -> int:
        asked.append(who_asks())
        return len(messages)
