"""No secret leaves by an error, a frame of its traceback, a transcript or a session."""

from __future__ import annotations

import base64
import json
import pickle
import traceback
from urllib.parse import quote, quote_plus

import pytest

from mailsetup.smtp import Encryption, Login, Secret, Session, Transcript
from mailsetup.smtp.errors import LoginRefusedError, TransportError
from mailsetup.smtp.scrub import Scrubber, printable, visible

from .conftest import USERNAME
from .hostile import Dialogue, HostileServer

CANARY = "Kanarie/+ 7%ế-vogel"
BLOB = base64.b64encode(f"\0{USERNAME}\0{CANARY}".encode()).decode()
WORD = base64.b64encode(CANARY.encode()).decode()
FORMS = {
    "plain": CANARY,
    "base64": WORD,
    "blob": BLOB,
    "part of the blob": BLOB[:-9],
    "end of the blob": BLOB[12:],
    "shifted base64": base64.b64encode(f"x{CANARY}".encode()).decode(),
    "url": quote(CANARY, safe=""),
    "url, lower case": quote(CANARY, safe="").replace("%2F", "%2f").replace("%20", "%20"),
    "form": quote_plus(CANARY),
    "url of the blob": quote(BLOB, safe=""),
    "json": json.dumps(CANARY),
    "with a control character": CANARY[:4] + "\x07" + CANARY[4:],
}


def holds_canary(text: str) -> bool:
    tell_tale = [CANARY, WORD[:12], BLOB[8:20], BLOB[-14:-2], quote(CANARY, safe="")]
    tell_tale += [json.dumps(CANARY)[1:-1], quote_plus(CANARY)]
    return any(form in text for form in tell_tale)


def frames_of(error: BaseException) -> str:
    """What a debug page would show: each frame's variables, and what hangs on to the error."""
    shown = []
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        shown += [repr(current), str(current), repr(vars(current)), repr(current.args)]
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if frame.f_code.co_filename != __file__:
                shown += [repr(value) for value in frame.f_locals.values()]
        queue += [current.__context__, current.__cause__]
    return "\n".join(shown)


def refuse(head: str, steps: str, server_context, make_account, transcript=None, **changes):
    dialogue = Dialogue("inline", {}, [[line for line in steps.splitlines() if line.strip()]])
    server = HostileServer(dialogue, server_context, bytewise=False)
    values = {"login": Login.PASSWORD, "password": Secret(CANARY), "host": "127.0.0.1"}
    account = make_account(server.port, Encryption.NONE, **values | changes)
    with pytest.raises(TransportError) as caught:
        Session.open(account, transcript=transcript)
    server.finish()
    return caught.value


@pytest.mark.parametrize("form", FORMS)
def test_echoed_secret_is_masked_in_every_form(form, server_context, make_account):
    echo = "".join(f"\\x{octet:02x}" for octet in FORMS[form].encode())
    transcript = Transcript()
    error = refuse(
        "",
        f"S: 220 hi\nC: EHLO\nS: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN\n"
        f"S: 535-5.7.8 you said\nS: 535 5.7.8 {echo} right?\nC: QUIT",
        server_context,
        make_account,
        transcript,
    )
    assert isinstance(error, LoginRefusedError)
    assert "********" in error.reply
    assert "right?" in error.reply
    assert not holds_canary(frames_of(error))
    assert not holds_canary(pickle.dumps(error).decode("latin-1"))
    assert not holds_canary(transcript.text())
    assert error.smtp_code == 535
    assert isinstance(error.smtp_error, bytes)


@pytest.mark.parametrize(
    "steps",
    [
        "C: AUTH PLAIN\nclose",
        "C: AUTH PLAIN\nS: nonsense",
        "C: AUTH PLAIN\nS: 334 \nC: *\nclose",
        "C: AUTH PLAIN\nwait 0.5",
        "C: AUTH PLAIN\nreset",
    ],
)
def test_failure_in_the_login_leaves_no_secret_in_frames(steps, server_context, make_account):
    error = refuse(
        "",
        f"S: 220 hi\nC: EHLO\nS: 250-x\nS: 250 AUTH PLAIN\n{steps}",
        server_context,
        make_account,
        timeout=0.3,
    )
    assert not holds_canary(frames_of(error))
    assert error.__context__ is None


def test_interrupt_in_the_login_leaves_no_secret_in_frames(
    monkeypatch, server_context, make_account
):
    class Stop(BaseException):
        pass

    def interrupted(self, data, shown=None):
        if b"AUTH" in data:
            raise Stop
        return written(self, data, shown)

    written = Session.write
    monkeypatch.setattr(Session, "write", interrupted)
    dialogue = Dialogue("inline", {}, [["S: 220 hi", "C: EHLO", "S: 250-x", "S: 250 AUTH PLAIN"]])
    server = HostileServer(dialogue, server_context, bytewise=False)
    account = make_account(
        server.port, login=Login.PASSWORD, password=Secret(CANARY), host="127.0.0.1"
    )
    with pytest.raises(Stop) as caught:
        Session.open(account)
    server.finish()
    assert not holds_canary(frames_of(caught.value))


def test_session_and_what_hangs_on_it_show_no_secret(start_server, make_account):
    server = start_server(Encryption.STARTTLS, login=True)
    transcript = Transcript()
    session = Session.open(
        make_account(server.port, Encryption.STARTTLS, login=Login.PASSWORD), transcript=transcript
    )
    shown = repr(vars(session)) + repr(session) + repr(session.scrub) + transcript.text()
    session.quit()
    password = make_account(1).password.reveal()
    assert password not in shown
    assert base64.b64encode(password.encode()).decode() not in shown
    assert "AUTH PLAIN ********" in shown
    assert server.mailbox.logins == ["PLAIN"]


def test_login_of_smtplib_is_one_auth_command_too(server_context, make_account):
    steps = (
        "S: 220 hi\nC: EHLO\nS: 250-x\nS: 250 AUTH LOGIN PLAIN\nC: AUTH PLAIN\nS: 535 no\nC: QUIT"
    )
    dialogue = Dialogue("inline", {}, [steps.splitlines()])
    server = HostileServer(dialogue, server_context, bytewise=False)
    session = Session.open(make_account(server.port, login=Login.NONE, host="127.0.0.1"))
    with pytest.raises(LoginRefusedError) as caught:
        session.login("me", CANARY)
    server.finish()
    assert not holds_canary(frames_of(caught.value))
    assert session.sock is None


def test_short_secret_does_not_mask_half_a_sentence():
    scrub = Scrubber(["no"])
    assert scrub("nothing known, no!") == "nothing known, ********!"


def test_text_is_made_fit_to_show():
    evil = "a\x1b[31m\u202eb\u2066c\x00\r\nd\x85"
    assert printable(evil) == "a[31mbc  d"
    assert visible(evil) == "a\\x1b[31m\\u202eb\\u2066c\\x00\\r\\nd\\x85"


def test_transcript_is_bounded():
    transcript = Transcript(limit=3)
    for nth in range(10):
        transcript.add("S", "x" * 5000 + str(nth))
    assert len(transcript.lines) == 3
    assert all(len(line.text) <= 500 for line in transcript.lines)
    assert "7 more lines" in transcript.text()
    assert len(transcript.text()) < 1700
