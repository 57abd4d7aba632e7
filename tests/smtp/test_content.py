"""Contents are given the line ends that SMTP wants, whatever their size."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsetup.smtp import content

contents = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"text"]), max_size=12).map(
    b"".join
)


@pytest.mark.parametrize("copied", [0, 1_000_000])
def test_every_line_end_becomes_crlf_in_small_and_large_contents(monkeypatch, copied):
    monkeypatch.setattr(content, "_COPIED", copied)

    @given(contents)
    def check(given_content):
        wanted = re.sub(rb"\r\n|\r|\n", b"\r\n", given_content)
        if wanted and not wanted.endswith(b"\r\n"):
            wanted += b"\r\n"
        assert content.normalised(given_content) == wanted
        assert content.normalised(wanted) == wanted

    check()
