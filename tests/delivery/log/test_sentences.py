"""Reasons are stored in English and shown in the reader's language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import get_language, override

import mailsetup
from mailsetup.delivery.log import sentences
from mailsetup.smtp import errors

ROOT = Path(mailsetup.__file__).parent
# What stands for a value of the transport's f-strings, by what the code calls it.
SAMPLES = {
    "_name": "mail.example.com, port 587,",
    "name": "mail.example.com, port 587,",
    "_WHILE": "during the login",
    "host": "mail.example.com",
    "port": "587",
    "garbled": "sent an endless line",
    "who": "A recipient",
    "words": "refused the connection",
    "sentence": "The CA text holds no usable certificate",
    "what": "{what}",
}


def in_vietnamese(text: str) -> str:
    with override("vi"):
        return sentences.shown(text)


def texts_in(path: Path) -> Iterator[str]:
    """Yield the sentences that errors are made of in a module, values put in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for number, argument in enumerate(node.args[:2]):
                text = written(argument)
                if " " in text and "{what}" not in text:
                    yield from told(name, text, has_more=len(node.args) > number + 1)


def told(name: str, text: str, *, has_more: bool) -> Iterator[str]:
    """Yield the sentence that a call of this name makes of its text; nothing for other calls."""
    if name in errors.__all__ or name == "kind":
        yield text
    elif name == "failed":
        # The server's reply comes after a colon.
        yield f"{text}: 550 no" if has_more else text
    elif name == "_refused":
        yield f"{SAMPLES['_name']} {text}: 550 no"
    elif name == "GarbledError":
        yield f"{SAMPLES['_name']} {text} {SAMPLES['_WHILE']}."
    elif name in {"_silent", "_broken"}:
        yield f"{SAMPLES['_name']} {text} in time {SAMPLES['_WHILE']}."


def written(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            sample(part) if isinstance(part, ast.FormattedValue) else written(part)
            for part in node.values
        )
    return ""


def sample(part: ast.FormattedValue) -> str:
    code = ast.unparse(part.value)
    for word in (code.rpartition(".")[2], code.partition("[")[0], code.partition("(")[0]):
        if word in SAMPLES:
            return SAMPLES[word]
    return "x"


TRANSPORT = sorted({text for path in ROOT.glob("smtp/*.py") for text in texts_in(path)})


@pytest.mark.parametrize("text", TRANSPORT)
def test_sentence_of_the_transport_is_known(text):
    assert in_vietnamese(text) != text


def test_sentences_of_the_transport_were_found():
    assert len(TRANSPORT) > 25


@pytest.mark.parametrize("text", [*sentences._OWN, *sentences._TRANSPORT])
def test_sentence_comes_back_in_english(text):
    said = in_vietnamese(text.replace("%(server)s", "mail.example.com"))
    assert said != text
    if text in sentences._OWN:
        with override("vi"):
            assert sentences.in_english(said) == text
        assert sentences.in_english(said, "vi") == text


def test_sentence_of_an_error_of_ours_is_known():
    """Raised in delivery and by a profile, it may become the reason of a mail."""
    found = set()
    names = {"ConfigurationError", "InvalidProfileError", "ProfileInactiveError"}
    names |= {"SecretUnavailableError", "ContentUnavailableError", "OutboxUnavailableError"}
    names |= {"NoProfileError", "ProfileNotFoundError", "SettingsUnavailableError"}
    for path in [*ROOT.glob("delivery/*.py"), *ROOT.glob("effective/*.py"), ROOT / "backends.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                found |= {
                    inner.args[0].value
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "_"
                }
    assert len(found) > 8
    assert found <= set(sentences._OWN)


def test_words_of_the_server_stay():
    reply = "550 5.1.1 localhost refused the message: %(host)s during the login"
    told = in_vietnamese(f"mail.example.com refused the recipient ann@example.org: {reply}")
    assert told == f"mail.example.com từ chối người nhận ann@example.org: {reply}"


def test_port_and_doubt_are_told_in_the_readers_language():
    told = in_vietnamese(
        "mail.example.com, port 587, did not answer in time before it accepted the message. "
        "Whether the message was accepted is not known."
    )
    assert told == (
        "mail.example.com, cổng 587 không trả lời kịp trước khi xác nhận đã nhận thư. Không rõ "
        "thư đã được nhận hay chưa."
    )


def test_each_line_is_a_sentence_of_its_own():
    refused = "a.example refused the recipient {}: 550 no"
    told = in_vietnamese("\n".join(refused.format(name) for name in ("a@x", "b@x")))
    assert told.split("\n") == [
        f"a.example từ chối người nhận {name}: 550 no" for name in ("a@x", "b@x")
    ]


def test_fields_of_a_password_are_told_in_the_readers_language():
    text = (
        "The password of the profile “shop” was entered for other settings (SMTP host, port). "
        "Enter the password again."
    )
    told = in_vietnamese(text)
    assert "(máy chủ SMTP, cổng)" in told
    assert sentences.in_english(told, "vi") == text


@pytest.mark.parametrize(
    "text", ["", "Invalid address 'nobody <'", "port: 7", "x\ny", "50% of %(reply)s", "a" * 5000]
)
def test_unknown_words_stay(text):
    assert in_vietnamese(text) == text
    assert sentences.in_english(text, "vi") == text


@pytest.mark.parametrize("language", ["en", "en-gb", "fr"])
def test_reader_of_a_language_without_a_translation_gets_english(language):
    text = "mail.example.com, port 587, refused the connection."
    with override(language):
        assert sentences.shown(text) == text
        assert sentences.in_english(text) == text


def test_language_in_force_stays():
    with override("vi"):
        sentences.in_english("Có người đã hủy thư.")
        assert get_language() == "vi"
