"""Each dialogue of `dialogues/`, fed whole and then byte by byte where its head allows it."""

from __future__ import annotations

import base64
import pickle
import time
import tracemalloc
from collections.abc import Callable

import pytest

from mailsetup.smtp import Account, Encryption, Envelope, Login, Receipt, Session, errors
from mailsetup.smtp.errors import TransportError
from mailsetup.smtp.pool import Pool

from .conftest import PASSWORD, USERNAME
from .hostile import Dialogue, HostileServer, all_dialogues

DIALOGUES = all_dialogues()
FEEDS = [
    pytest.param(dialogue, bytewise, id=f"{dialogue.name}-{'bytewise' if bytewise else 'whole'}")
    for dialogue in DIALOGUES
    for bytewise in (False, True)
    if not (bytewise and dialogue.head.get("fed") == "whole")
]
CONTENT = b"Subject: x\r\n\r\n.dot\r\n"
EIGHT_BIT = "Subject: x\r\n\r\nđá\r\n".encode()
SIZE_OF_EIGHT_BIT = 20


def envelopes(head: dict[str, str]) -> list[Envelope]:
    people = [f"b{nth}@example.com" for nth in range(int(head.get("recipients", "1")))]
    if "to" in head:
        people = [head["to"]]
    content = EIGHT_BIT if head.get("content") == "8bit" else CONTENT
    return [Envelope("a@example.com", tuple(people), content)] * int(head.get("send", "1"))


def play(head: dict[str, str], account: Account) -> tuple[list[Receipt], TransportError | None]:
    if head.get("through") == "pool":
        pool = Pool()
        try:
            return pool.send(account, envelopes(head)), None
        finally:
            pool.close_all()
    try:
        session = Session.open(account)
    except TransportError as error:
        return [], error
    try:
        return session.send(envelopes(head)), None
    finally:
        session.quit()


def echoes(dialogue: Dialogue) -> Dialogue:
    """Have the server say back everything it may have learnt, in each form."""
    blob = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
    word = base64.b64encode(PASSWORD.encode()).decode()
    text = f"{blob} {word} {blob[4:-6]}".strip()
    steps = [[line.replace("{echo}", text) for line in part] for part in dialogue.connections]
    return Dialogue(dialogue.name, dialogue.head, steps)


@pytest.mark.parametrize(("dialogue", "bytewise"), FEEDS)
def test_dialogue_ends_as_its_head_says(
    dialogue: Dialogue,
    bytewise: bool,
    make_account: Callable[..., Account],
    server_context,
) -> None:
    head = dialogue.head
    server = HostileServer(echoes(dialogue), server_context, bytewise=bytewise)
    timeout = float(head.get("timeout", "3"))
    account = make_account(
        server.port,
        Encryption(head.get("encryption", "none")),
        host="127.0.0.1",
        login=Login(head.get("login", "none")),
        timeout=timeout,
        deadline=float(head["deadline"]) if "deadline" in head else None,
        key=("default", 1),
        in_flight=int(head.get("in_flight", "1")),
    )
    began = time.monotonic()
    tracemalloc.start()
    try:
        receipts, failure = play(head, account)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    took = time.monotonic() - began
    server.finish()

    assert took <= account.time_to_open() + account.time_to_send(100) + 1
    assert peak < 50_000_000
    words = [f"{receipt.outcome}{'+' if receipt.unsent else ''}" for receipt in receipts]
    assert words == head.get("receipts", "").split()
    if "open" in head:
        assert type(failure) in [getattr(errors, name) for name in head["open"].split()]
    error = failure or next((receipt.error for receipt in receipts if receipt.error), None)
    if error is not None:
        if "stage" in head:
            assert error.stage == head["stage"]
        if "outcome" in head:
            assert error.outcome == head["outcome"]
        assert head.get("says", "") in str(error)
        assert_clean(error)
    if "refused" in head:
        assert len(receipts[0].refused) == int(head["refused"])
    accepted = sum(receipt.outcome == "sent" for receipt in receipts)
    assert accepted == int(head.get("accepted", "0"))
    heard = server.heard.upper()
    for verb in head.get("never", "").split():
        assert verb.encode() not in heard
    if "count" in head:
        verb, times = head["count"].split()
        assert heard.count(verb.encode()) == int(times)
    assert server.connections == len(dialogue.connections)


def assert_clean(error: TransportError) -> None:
    """No secret, no control character, nothing behind it, and whole after a pickle."""
    assert error.__context__ is None
    assert error.__cause__ is None
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)
    for text in (str(error), repr(error), error.reply, repr(vars(error))):
        assert text.isprintable()
        assert PASSWORD not in text
        assert base64.b64encode(PASSWORD.encode()).decode()[:12] not in text
    assert str(error)[0].isupper() or str(error).startswith(error.host)
    assert len(str(error)) < 1500


def test_every_dialogue_tells_what_it_expects() -> None:
    assert len(DIALOGUES) > 60
    for dialogue in DIALOGUES:
        assert {"receipts", "open"} & set(dialogue.head), dialogue.name
