"""What lets a reader act as the recipient is masked in texts; the rest stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.redaction import redact
from mailsetup.smtp.scrub import MASK
from tests.redaction.corpus import ORDINARY, TELLING
from tests.redaction.hostile import HEADS, PIECES, within_cpu_seconds

prose = st.text(st.sampled_from("abc XY.,:/?=&#@-\n\t0123ãếđ<>\"'()"), max_size=80)


@pytest.mark.parametrize(("text", "secrets"), TELLING)
def test_what_lets_a_reader_act_is_masked(text, secrets):
    shown = redact(text)
    assert MASK in shown
    assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(("text", "secrets"), TELLING)
def test_a_masked_text_is_not_masked_further(text, secrets):
    shown = redact(text)
    assert redact(shown).count(MASK) == shown.count(MASK)


def test_a_link_still_tells_where_it_leads():
    assert redact("Go to https://a.example:8443/accounts/reset/MQ/x1/ now") == (
        f"Go to https://a.example:8443/accounts/reset/{MASK} now"
    )
    assert (
        redact("https://a.example/x?token=abc&page=2") == f"https://a.example/x?token={MASK}&page=2"
    )


def test_the_words_around_a_code_stay():
    assert redact("Your code is 482913. It is good for 10 minutes.") == (
        f"Your code is {MASK}. It is good for 10 minutes."
    )


@given(st.text(max_size=300))
def test_no_text_raises(text):
    assert isinstance(redact(text), str)


@given(before=prose, after=prose, index=st.integers(0, len(TELLING) - 1))
def test_a_secret_is_masked_whatever_stands_on_the_lines_around_it(before, after, index):
    text, secrets = TELLING[index]
    shown = redact(f"{before}\n\n{text}\n\n{after}")
    longest = max(secrets, key=len)
    assert longest in before + after or longest not in shown


@given(prose)
def test_masking_adds_nothing_of_its_own(text):
    assert set(redact(text)) <= set(redact(text).replace(MASK, "")) | {"*"}


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_hostile_text_is_done(piece):
    with within_cpu_seconds(30):
        for head in HEADS:
            redact(head + piece * (100_000 // len(piece)))


def test_a_megabyte_is_masked():
    with within_cpu_seconds(60):
        assert "482913" not in redact("Your code is 482913 " + "code 1234 " * 100_000)
