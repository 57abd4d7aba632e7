"""A server that says 421 and goes on, and whose answers are cut off anywhere: nothing is twice."""

from __future__ import annotations

import random
from itertools import product

import pytest

from mailsetup.smtp import Envelope, Outcome, Receipt, Session, servers

from .postman import OFFERS, Decision, MemorySocket, Postman

CHUNKING = (*OFFERS, "CHUNKING")
STAGES = (("mail",), ("rcpt",), ("content",), ("rset",), ("mail", "rcpt", "content", "rset"))
CODES = ((421,), (421, 450, 550), (421, 452, 503))
DIALOGUES = 1_000


class GoesOn(Postman):
    """Hangs up for no reply, 421 neither."""

    def _asks(self, stage: str) -> bool:
        asked = super()._asks(stage)
        self.closed = False
        return asked


class Cut(MemorySocket):
    """Gives out so many octets of the answers, and then ends in one of three ways."""

    def __init__(self, postman: Postman, chance: random.Random) -> None:
        super().__init__(postman)
        self.chance = chance
        self.left = 10**9
        self.end = chance.choice(["closed", "reset", "silent"])
        self.heard = b""

    def recv(self, size: int) -> bytes:
        if self.left > 0:
            self.gulp = min(self.left, self.chance.choice([1, 7, 4_000]))
            data = super().recv(size)
            self.left -= len(data)
            self.heard += data
            return data
        if self.end == "closed":
            return b""
        if self.end == "reset":
            raise ConnectionResetError(104, "Connection reset by peer")
        raise TimeoutError("timed out")

    def send(self, data: bytes) -> int:
        self.gulp = 65_536
        return super().send(data)


def talk(
    make_account, seed: int, stages: tuple[str, ...], codes: tuple[int, ...]
) -> tuple[list[tuple[Envelope, Receipt]], Postman, Cut]:
    """Send a few messages to such a server, and return what came of them."""
    chance = random.Random(seed)
    servers.forget()
    server = servers.server_for("mx.example.com", 25)
    server.pipelines = server.chunks = True

    def decide(stage: str, nth: int) -> Decision:
        says_no = stage in stages and chance.random() < 0.2
        return chance.choice(codes) if says_no else None

    postman = GoesOn(CHUNKING, decide)
    account = make_account(25, host="mx.example.com", in_flight=chance.choice([1, 2, 3, 8]))
    session = Session(account)
    session.sock = sock = Cut(postman, chance)
    session.ehlo("client")
    sock.heard = b""
    if chance.random() < 0.7:
        sock.left = chance.randrange(1, 700)
    envelopes = [
        Envelope(
            f"from-{nth}@example.com",
            tuple(f"to-{nth}-{who}@example.com" for who in range(chance.choice([1, 1, 2, 3]))),
            b"message %d\r\n" % nth,
        )
        for nth in range(chance.choice([2, 3, 6]))
    ]
    return [*zip(envelopes, session.send(envelopes), strict=True)], postman, sock


@pytest.mark.parametrize(("stages", "codes"), [*product(STAGES, CODES)])
def test_each_receipt_is_true_of_what_the_server_has(make_account, stages, codes) -> None:
    outcomes = set()
    for seed in range(DIALOGUES):
        sent, postman, sock = talk(make_account, seed, stages, codes)
        # RFC 5321 section 3.8: who ends the connection right behind 421 has accepted nothing more.
        last = sock.heard.rpartition(b"\r\n")[0].rpartition(b"\r\n")[2]
        excused = last.startswith(b"421") and sock.heard.endswith(b"\r\n") and sock.left <= 0
        accepted = {mail.content: mail for mail in postman.accepted}
        assert len(accepted) == len(postman.accepted), seed
        for envelope, receipt in sent:
            outcomes.add(receipt.outcome)
            mail = accepted.get(envelope.content)
            if receipt.outcome is Outcome.SENT:
                assert mail is not None, seed
                assert (mail.sender, mail.recipients) == (envelope.sender, receipt.accepted), seed
            elif mail is not None and not excused:
                assert receipt.outcome is Outcome.AMBIGUOUS, (seed, receipt.error)
    assert {Outcome.SENT, Outcome.RETRY, Outcome.AMBIGUOUS} <= outcomes
