"""Any order of replies, refusals and disconnects keeps the accounts right."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsetup.smtp import Account, Encryption, Envelope, Login, Outcome, Session, servers
from mailsetup.smtp.content import normalised, stuffed

from .postman import MemorySocket, Postman

FEATURES = [
    {},
    {"pipelining": ""},
    {"pipelining": "", "chunking": ""},
    {"chunking": "", "8bitmime": "", "size": "0"},
]
DECISIONS = st.sampled_from(
    [None, None, None, None, 250, 354, 421, 450, 452, 500, 503, 550, 552, 554, "close", "drop"]
)


@st.composite
def scripts(draw):
    """What the server does at each turn of each stage; yes when the list is at its end."""
    stages = {"mail": 4, "rcpt": 6, "data": 4, "content": 4, "rset": 2}
    return {stage: draw(st.lists(DECISIONS, max_size=size)) for stage, size in stages.items()}


@given(
    script=scripts(),
    features=st.sampled_from(FEATURES),
    messages=st.integers(1, 6),
    people=st.integers(1, 3),
    gulp=st.sampled_from([1, 7, 65_536]),
    trusted=st.booleans(),
    fresh=st.booleans(),
    in_flight=st.sampled_from([1, 2, 3, 6]),
)
@settings(max_examples=800, deadline=None)
def test_receipts_tell_the_truth(
    script, features, messages, people, gulp, trusted, fresh, in_flight
):
    servers.forget()
    server = servers.server_for("mx.example.com", 25)
    server.pipelines = server.chunks = trusted

    def decide(stage: str, nth: int):
        plan = script[stage]
        verdict = plan[nth] if nth < len(plan) else None
        if stage == "rset" and in_flight > 1 and verdict not in {421, "close", "drop"}:
            # Behind a refusal in the same flight it has to be taken (RFC 5321 section 4.1.1.5).
            return None
        # 250 is an odd answer to DATA only, and 354 to all but DATA.
        return None if verdict == (354 if stage == "data" else 250) else verdict

    postman = Postman(tuple(name.upper() for name in features), decide)
    account = Account(
        host="mx.example.com",
        port=25,
        encryption=Encryption.NONE,
        login=Login.NONE,
        in_flight=in_flight,
    )
    session = Session(account)
    session.sock = MemorySocket(postman, gulp)
    session.esmtp_features = features
    session.talk.fresh = fresh
    envelopes = [
        Envelope(
            f"s{nth}@example.com",
            tuple(f"r{nth}-{who}@example.com" for who in range(people)),
            f"Subject: {nth}\r\n\r\n.dot\r\n..two\r\n".encode(),
        )
        for nth in range(messages)
    ]
    receipts = session.send(envelopes)

    accepted = {mail.sender: mail for mail in postman.accepted}
    assert len(accepted) == len(postman.accepted)
    assert len(receipts) == messages
    assert sum(receipt.outcome is Outcome.AMBIGUOUS for receipt in receipts) <= in_flight
    for envelope, receipt in zip(envelopes, receipts, strict=True):
        mail = accepted.get(envelope.sender)
        if receipt.outcome is Outcome.SENT:
            assert mail is not None
            assert mail.recipients == receipt.accepted
            assert mail.content == envelope.content
            assert set(receipt.accepted) | set(receipt.refused) == set(envelope.recipients)
            assert not set(receipt.accepted) & set(receipt.refused)
            assert receipt.error is None
            assert receipt.code == 250
        else:
            assert receipt.error is not None
            assert receipt.error.outcome is receipt.outcome
            assert receipt.accepted == ()
            if receipt.outcome is not Outcome.AMBIGUOUS:
                assert mail is None
        if receipt.unsent:
            assert receipt.outcome is Outcome.RETRY
    if session.sock is not None:
        assert not session.has_unread
        assert not session.sock.waiting


@given(st.binary(max_size=200).map(lambda data: data.replace(b"a", b"\r\n").replace(b"b", b".")))
def test_content_survives_stuffing_and_has_no_bare_line_ends(data):
    clean = normalised(data)
    assert clean.replace(b"\r\n", b"").count(b"\r") == 0
    assert clean.replace(b"\r\n", b"").count(b"\n") == 0
    assert normalised(clean) == clean
    wire = stuffed(clean) + b".\r\n"
    assert wire.startswith(b".\r\n") == (clean == b"")
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3
    lines = wire.removesuffix(b".\r\n").split(b"\r\n")
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == clean
    # Nothing but line ends changed.
    assert clean.replace(b"\r\n", b"") == data.replace(b"\r", b"").replace(b"\n", b"")
