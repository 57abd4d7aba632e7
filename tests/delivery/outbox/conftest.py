"""A profile that sends in the background, and a worker that is called by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage

from mailsetup.backends import EmailBackend
from mailsetup.delivery.outbox import courier, engines
from mailsetup.models import Message, SMTPProfile
from tests.backend_servers import store

from .postbox import Postbox

WORKER = "here/pid:[1]/1/1"


@pytest.fixture
def told(monkeypatch) -> list[list[int]]:
    """What the engine was told; nothing is sent unless a test asks for it."""
    heard: list[list[int]] = []
    monkeypatch.setattr(engines, "notify", lambda keys: heard.append(list(keys)))
    return heard


@pytest.fixture
def profile(transactional_db, server, told) -> SMTPProfile:
    """A stored profile of the test's server that sends in the background."""
    return store(server, slug="shop", sending="background")


def mail(**values: Any) -> EmailMessage:
    defaults = {"subject": "Hi", "body": "Text", "to": ["bob@example.com"]}
    return EmailMessage(**(defaults | values))


def put(*messages: EmailMessage, **options: Any) -> list[Message]:
    """Hand messages to the backend and return the rows that came of them, in order."""
    before = Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    EmailBackend(**options).send_messages(list(messages))
    return list(Message.objects.filter(pk__gt=before).order_by("pk"))


@pytest.fixture
def work() -> Callable[..., int]:
    """Work until nothing is due; return how many messages were handled."""

    def run(limit: int = 50) -> int:
        total = 0
        while handled := courier.work_once(limit, worker=WORKER):
            total += handled
        return total

    return run


@pytest.fixture
def box() -> Iterator[Postbox]:
    """A server that does what a test tells it."""
    made = Postbox()
    yield made
    made.close()


@pytest.fixture
def boxed(transactional_db, box, told) -> SMTPProfile:
    """A stored profile of that server that sends in the background, impatiently."""
    return store_boxed(box)


def store_boxed(box: Postbox, **fields: Any) -> SMTPProfile:
    """Store a profile of a server without TLS that sends in the background."""
    values = {
        "slug": "shop",
        "host": "127.0.0.1",
        "port": box.port,
        "encryption": "none",
        "allow_plaintext": True,
        "username": "shop@example.com",
        "from_email": "shop@example.com",
        "sending": "background",
        "timeout": 1,
    }
    profile = SMTPProfile(**(values | fields))
    profile.set_password("right")
    profile.save()
    return profile
