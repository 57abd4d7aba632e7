"""What lets a reader act as the recipient is masked in HTML: texts, attributes, comments."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.redaction import redact_html
from mailsetup.smtp.scrub import MASK
from tests.redaction.corpus import ORDINARY, ORDINARY_HTML, TELLING, TELLING_HTML
from tests.redaction.hostile import HEADS, PIECES, within_cpu_seconds


@pytest.mark.parametrize(("source", "secrets"), TELLING_HTML)
def test_what_lets_a_reader_act_is_masked(source, secrets):
    shown = redact_html(source)
    assert MASK in shown
    assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.parametrize(("text", "secrets"), TELLING)
def test_what_is_masked_in_a_text_is_masked_in_html_too(text, secrets):
    shown = redact_html(f"<div><p>{html.escape(text)}</p></div>")
    assert [secret for secret in secrets if secret in html.unescape(shown)] == []


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_stays(text):
    assert redact_html(f"<p>{html.escape(text)}</p>") == f"<p>{html.escape(text)}</p>"


@pytest.mark.parametrize("source", ORDINARY_HTML)
def test_ordinary_html_stays(source):
    assert redact_html(source) == source


def test_a_masked_text_is_escaped_as_it_was():
    assert redact_html("<p>&lt;b&gt; code 482913</p>") == f"<p>&lt;b&gt; code {MASK}</p>"


def test_a_masked_attribute_is_escaped():
    shown = redact_html("<a title='code 482913 \"&lt;' href=x>")
    assert shown == f'<a title="code {MASK} &quot;&lt;" href=x>'


@given(st.text(max_size=300) | st.text(st.sampled_from("<>\"'=/a !-&;#x"), max_size=80))
def test_no_source_raises(source):
    assert isinstance(redact_html(source), str)


@given(
    before=st.text(st.sampled_from("<>\"'=/ a!-&"), max_size=30),
    index=st.integers(0, len(TELLING_HTML) - 1),
)
def test_a_secret_is_masked_behind_broken_html(before, index):
    source, secrets = TELLING_HTML[index]
    longest = max(secrets, key=len)
    assert longest not in redact_html(f"{before}<p></p>\n{source}")


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_hostile_source_is_done(piece):
    with within_cpu_seconds(30):
        for head in HEADS:
            redact_html(head + piece * (100_000 // len(piece)))
