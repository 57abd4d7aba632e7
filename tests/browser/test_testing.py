"""The test page: values not saved yet, checks that send nothing, and everything that can fail."""

import json
import socket

import pytest

from tests.browser.site import PROFILES
from tests.browser.steps import (
    CHECKED,
    FAILED,
    LOCALES,
    SENT,
    TITLE,
    save_account,
    type_account,
    words,
)

expect = pytest.importorskip("playwright.sync_api").expect

CANARY = "canary & Bí-mật 7f3a"


def test_typed_values_are_tested_before_they_are_saved(visit, site):
    window = visit()
    type_account(window, site, from_name="Chưa lưu")
    window.press("[name=_test]")
    assert "not saved yet" in window.text(".mailsetup-box-info")
    window.press("[name=_send]")
    assert window.text(TITLE) == SENT
    assert "the values from the form, not saved" in window.text(".mailsetup-tested")
    assert len(site.mails()) == 1
    assert site.rows("SELECT count(*) FROM mailsetup_smtpprofile") == [(0,)]

    window.press("a.closelink")
    assert window.value("from_name") == "Chưa lưu"
    assert window.value("password") == ""
    window.press("[name=_save]")
    assert window.path() == PROFILES
    window.press(".mailsetup-test-link")
    window.press("[name=_send]")
    assert window.text(TITLE) == SENT


@pytest.mark.parametrize("language", LOCALES)
def test_wrong_password_is_shown_with_stage_codes_and_masked_conversation(visit, site, language):
    window = visit(locale=LOCALES[language], permissions=["clipboard-read", "clipboard-write"])
    save_account(window, site, "_savetest", password=CANARY)
    window.press("[name=_send]")
    assert window.text(TITLE) == words(FAILED, language)
    assert words("Log in", language) in window.text(".mailsetup-step-failed")
    assert "535 5.7.8" in window.text(".mailsetup-facts")
    assert window.find(".mailsetup-advice li").count() >= 1

    if not window.find("#mailsetup-transcript").is_visible():
        window.find(".mailsetup-transcript summary").click()
    conversation = window.find("#mailsetup-transcript").inner_text()
    assert "C: AUTH PLAIN ********" in conversation
    assert "S: 535 5.7.8" in conversation
    window.find(".mailsetup-copy").click()
    expect(window.find(".mailsetup-copied")).to_have_text(words("Copied", language))
    assert window.page.evaluate("navigator.clipboard.readText()") == conversation
    assert site.mails() == []

    window.goto(PROFILES)
    assert window.find("#result_list .mailsetup-mark-failed").count() == 1


def test_wrong_host_fails_at_finding_the_server(visit, site):
    window = visit()
    save_account(window, site, "_savetest", host="mail.nowhere.invalid")
    window.press("[name=_send]")
    assert window.text(TITLE) == FAILED
    assert "Find the server" in window.text(".mailsetup-step-failed")
    assert "mail.nowhere.invalid" in window.text(".mailsetup-facts")


def test_wrong_port_for_the_encryption_fails_within_the_timeout(visit, site):
    window = visit()
    type_account(window, site, port=site.tls_port)
    window.find("summary", has_text="Advanced").click()
    window.control("timeout").fill("2")
    window.press("[name=_savetest]")
    window.press("[name=_check]")
    assert window.text(TITLE) == "There was a problem while testing the connection."
    assert window.find(".mailsetup-step-failed").count() == 1


def test_checking_the_connection_logs_in_and_sends_nothing(visit, site):
    window = visit()
    save_account(window, site, "_savetest")
    window.press("[name=_check]")
    assert window.text(TITLE) == CHECKED
    assert "AUTH PLAIN" in window.find("#mailsetup-transcript").text_content()
    assert "Sender" not in window.text(".mailsetup-ladder")
    assert site.mails() == []


def test_profile_set_to_do_not_send_says_so_loudly(visit, site):
    window = visit()
    type_account(window, site)
    window.control("do_not_send").check()
    window.press("[name=_savetest]")
    window.press("[name=_send]")
    assert "Nothing was sent" in window.text(TITLE)
    assert site.mails() == []


# Playwright waits for the answer before it looks; so the page itself writes down what it shows.
WATCH_THE_ROW = """() => {
    const row = document.getElementById("mailsetup-test");
    new MutationObserver(() => {
        const shown = [...row.querySelectorAll("input")].map((each) => each.disabled);
        sessionStorage.setItem("seen", JSON.stringify([row.innerText.trim(), ...shown]));
    }).observe(row, {subtree: true, childList: true, attributes: true});
}"""


def test_button_shows_that_a_test_runs_and_starts_it_once(visit, site):
    window = visit()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        type_account(window, site, host="127.0.0.1", port=str(silent.getsockname()[1]))
        window.find("summary", has_text="Advanced").click()
        window.control("timeout").fill("2")
        window.press("[name=_savetest]")
        window.page.evaluate(WATCH_THE_ROW)
        with window.page.expect_navigation():
            window.find("[name=_check]").dblclick()
        assert "Greeting" in window.text(".mailsetup-step-failed")
        seen = json.loads(window.page.evaluate("sessionStorage.getItem('seen')"))
        assert "Testing …" in seen[0]
        assert seen[1:] == [True, True]
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert window.find("[name=_check]").is_enabled()
