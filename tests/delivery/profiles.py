"""Profiles in force and messages for the tests, made without a database."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMessage
from typing import Any

from django.core.mail import EmailMessage

from mailsetup.delivery.compose import compose
from mailsetup.effective import Effective, from_row
from mailsetup.smtp.account import Secret
from mailsetup.smtp.envelope import Envelope

SHOP = {"from_email": "shop@example.com", "force_from_email": False}


def in_force(**values: Any) -> Effective:
    """Return a profile with these values in force."""
    fields = {"host": "smtp.example.com", "login": "none", "password": Secret(""), "username": ""}
    return from_row(None, slug="", is_default=False, fallback=fields | values)


def mail(**values: Any) -> EmailMessage:
    """Return a message of an app."""
    defaults = {"subject": "Hi", "body": "Text", "to": ["bob@example.com"]}
    return EmailMessage(**(defaults | {"from_email": "ann@example.com"} | values))


def parse(envelope: Envelope) -> ParsedMessage:
    """Return the content as a reader's program sees it."""
    return message_from_bytes(envelope.content, policy=policy.default)


def headers(message: EmailMessage | None = None, **values: Any) -> ParsedMessage:
    """Return what a message becomes by the shop's profile, some of its values changed."""
    return parse(compose(message or mail(), in_force(**(SHOP | values))))
