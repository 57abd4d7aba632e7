"""The benchmark's server takes what clients send, however it arrives."""

from __future__ import annotations

import pytest

from benchmarks.sink import Conversation

OK = b"250 2.1.0 Ok\r\n"
QUEUED = b"250 2.0.0 Ok: queued as 4XyZ1A2B3C\r\n"
GO = b"354 End data with <CR><LF>.<CR><LF>\r\n"
ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n"


def talk(data: bytes, size: int) -> tuple[bytes, tuple[int, int]]:
    """Feed *data* in pieces of *size*, and return the replies and what was counted."""
    conversation = Conversation(chunking=True, starttls=False, login=False)
    replies = b"".join(
        conversation.feed(data[start : start + size]) for start in range(0, len(data), size)
    )
    return replies, conversation.took()


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_data_ends_at_the_lone_dot(size):
    content = b"Subject: x\r\n\r\na.\r\n..\r\n.b\r\n"
    data = ENVELOPE + b"DATA\r\n" + content + b".\r\n" + ENVELOPE
    replies, (messages, _) = talk(data, size)
    assert replies == OK * 2 + GO + QUEUED + OK * 2
    assert messages == 1


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_an_empty_content_is_one(size):
    replies, (messages, _) = talk(ENVELOPE + b"DATA\r\n.\r\nNOOP\r\n", size)
    assert replies == OK * 2 + GO + QUEUED + OK
    assert messages == 1


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_bdat_is_counted_out(size):
    content = b"x\r\n.\r\nQUIT\r\n"
    data = ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content + ENVELOPE
    replies, counted = talk(data, size)
    assert replies == OK * 2 + QUEUED + OK * 2
    assert counted == (1, len(content))


def test_offers_change_with_tls():
    conversation = Conversation(chunking=False, starttls=True, login=True)
    offers = conversation.feed(b"EHLO x\r\n")
    assert b"STARTTLS" in offers
    assert b"AUTH" not in offers
    assert b"CHUNKING" not in offers
    conversation.feed(b"STARTTLS\r\nMAIL injected\r\n")
    assert conversation.begins_tls
    conversation.restart()
    offers = conversation.feed(b"EHLO x\r\n")
    assert b"AUTH PLAIN" in offers
    assert b"STARTTLS" not in offers
    assert offers.count(b"250 ") == 1
