"""The rules' file, entry by entry: whole, bilingual, quick, and each sample judged by its rule."""

from __future__ import annotations

import json
import re
import re._constants as tokens
import re._parser as regex
from pathlib import Path

import pytest

from mailsetup import providers
from mailsetup.diagnosis import all_rules, judge, title
from mailsetup.diagnosis.rules import DATA
from mailsetup.smtp import errors
from mailsetup.smtp.errors import Outcome, Stage

from .replies import KINDS, refusal

RAW = json.loads(DATA.read_text(encoding="utf-8"))["rules"]
RULES = all_rules()
rules = pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
SAMPLES = [
    pytest.param(rule, stage, sample, id=f"{rule.id}-{stage}-{number}")
    for rule in RULES
    for stage in rule.stages or KINDS
    for number, sample in enumerate(rule.samples)
]
REPEATS = {tokens.MAX_REPEAT, tokens.MIN_REPEAT, tokens.POSSESSIVE_REPEAT}


def repeats(parsed, inside=False):
    """Yield (highest count, stands inside another one) of every repeat of a parsed regex."""
    for operation, argument in parsed:
        repeated = operation in REPEATS and argument[1] > 1
        if operation in REPEATS:
            yield argument[1], inside and repeated
        for part in parts(argument):
            yield from repeats(part, inside or repeated)


def parts(argument):
    """Return the parsed regexes within an operation's argument."""
    if isinstance(argument, regex.SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [part for each in argument for part in parts(each)]
    return []


def test_ids_are_unique_words():
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids)) >= 83
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{2,39}", each) for each in ids)


@rules
def test_each_rule_has_a_short_title_in_both_languages(rule):
    assert set(rule.title) == {"en", "vi"}
    for text in rule.title.values():
        assert 5 < len(text) <= 80
        assert text == text.strip()
        assert text[0].isupper()
        assert text[-1] != "."
    assert rule.title["en"] != rule.title["vi"]


@rules
def test_what_a_rule_names_exists(rule):
    assert all(providers.get(each) for each in rule.providers)
    assert all(issubclass(getattr(errors, each), errors.TransportError) for each in rule.errors)
    assert all(re.fullmatch(r"[245]\d{0,2}", code) for code in rule.codes)


@rules
def test_hold_and_retry_times_stand_where_they_mean_something(rule):
    assert (rule.hold_seconds is not None) == (rule.outcome is Outcome.HOLD)
    assert rule.retry_after is None or rule.outcome is Outcome.RETRY
    assert 60 <= (rule.hold_seconds or 60) <= 86_400
    assert 60 <= (rule.retry_after or 60) <= 900


@pytest.mark.parametrize("entry", RAW, ids=[entry["id"] for entry in RAW])
def test_pattern_takes_time_in_proportion_to_the_text(entry):
    found = list(repeats(regex.parse(entry.get("pattern", ""))))
    assert all(highest <= 200 and not nested for highest, nested in found)


@pytest.mark.parametrize("pattern", ["(a+)+b", "a*b", "(a{1,9}b){2,9}", "(x|a{1,9}){1,3}"])
def test_slow_pattern_is_noticed(pattern):
    found = list(repeats(regex.parse(pattern)))
    assert any(highest > 200 or nested for highest, nested in found)


@rules
def test_rule_that_reads_replies_has_samples_and_only_it(rule):
    assert bool(rule.samples) == bool(rule.pattern or rule.codes)


@pytest.mark.parametrize(("rule", "stage", "sample"), SAMPLES)
def test_sample_is_judged_by_its_own_rule(rule, stage, sample):
    provider = rule.providers[0] if rule.providers else ""
    error = refusal(sample, stage)
    judged = judge(error, provider)
    assert judged.cause == rule.id
    if rule.outcome == "verdict":
        assert judged.outcome is error.outcome
    elif rule.outcome == "refused":
        later = error.code < 500
        final = {Stage.RECIPIENT: Outcome.FAILED_RECIPIENT}.get(stage, Outcome.FAILED_MESSAGE)
        assert judged.outcome is (Outcome.RETRY if later else final)
    else:
        assert judged.outcome is rule.outcome


def test_last_rule_fits_everything():
    last = RULES[-1]
    assert last.fits(errors.TransportError("x", stage=Stage.DNS, outcome=Outcome.SENT), "", "")


def test_title_is_in_the_readers_language_else_english():
    assert title("greylist", "vi").startswith("Tạm hoãn")
    assert title("greylist", "vi-VN") == title("greylist", "vi")
    assert title("greylist", "fr") == title("greylist") == title("greylist", "en-us")
    assert title("nothing of ours") == ""


def test_documented_causes_are_the_rules_in_their_order():
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    section = page.split("## Causes")[1].split("\n## ")[0]
    told = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \| (.+) \|$", section)
    assert told == [(rule.id, rule.title["en"], documented(rule)) for rule in RULES]


def documented(rule):
    words = {"verdict": "by code", "refused": "by code, never the profile's fault"}
    seconds = rule.hold_seconds or rule.retry_after
    return words.get(rule.outcome, f"`{rule.outcome}`") + (f", {seconds} s" if seconds else "")
