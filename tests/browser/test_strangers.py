"""Words of strangers, on every page that shows them: they are read, and nothing of them runs.

Whatever did run would open a dialog or break the content security policy on the console, and each
window is watched for both.
"""

import pytest

from tests.browser.site import ADD, INBOX, PROFILES, Site
from tests.browser.steps import FAILED, SENT, TITLE, save_account, type_account
from tests.browser.strangers import HOSTILE, HostileDemo
from tests.browser.window import windows
from tests.smtp.hostile import Dialogue, HostileServer

SAID = "<script>alert(1)</script>"
BEGIN = [f"S: 220 {HOSTILE}", "C: EHLO", f"S: 250-{HOSTILE}", "S: 250 AUTH PLAIN", "C: AUTH"]
ENVELOPE = ["S: 235 ok", "C: MAIL", "S: 250 ok", "C: RCPT"]
REST = ["S: 250 ok", "C: DATA", "S: 354 go", "content", f"S: 250 2.0.0 {HOSTILE}"]
CONVERSATIONS = {
    "login": (FAILED, [f"S: 535 5.7.8 {HOSTILE}"]),
    "recipient": (FAILED, [*ENVELOPE, f"S: 550 5.1.1 {HOSTILE}"]),
    "sent": (SENT, [*ENVELOPE, *REST]),
}


def assert_inert(window):
    """See that the words are there as text, and that no element was made of them."""
    assert window.find("script:not([src]):not([type='application/json'])").count() == 0
    assert window.find("img[src='x:']").count() == 0
    assert window.find("[onload], [onerror], [onclick]").count() == 0


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_replies_of_a_server_are_shown_as_text(visit, site, name):
    title, rest = CONVERSATIONS[name]
    window = visit()
    server = HostileServer(Dialogue(name, connections=[BEGIN + rest]), None, bytewise=False)
    try:
        type_account(window, site, port=str(server.port))
        window.control("host").fill("127.0.0.1")
        window.control("encryption").select_option("none")
        window.press("[name=_savetest]")
        window.press("[name=_send]")
        assert window.text(TITLE) == title
        assert SAID in window.text(".mailsetup-facts")
        window.page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
        assert SAID in window.text("#mailsetup-transcript")
        assert_inert(window)
        window.goto(PROFILES)
        assert_inert(window)
    finally:
        server.finish()


def test_hostile_names_are_shown_as_text(visit, site):
    window = visit()
    save_account(window, site, "_savetest", from_name=HOSTILE)
    window.press("[name=_send]")
    assert window.text(TITLE) == SENT
    assert_inert(window)
    window.goto(INBOX)
    assert SAID in window.text("tbody")
    assert_inert(window)
    window.press("tbody a")
    assert SAID in window.text("dl.facts")
    assert_inert(window)
    window.goto(PROFILES)
    window.press("th.field-name_and_marks a")
    assert window.value("from_name") == HOSTILE
    assert_inert(window)


def test_a_visitors_words_are_shown_as_text_in_the_mail(visit, site):
    window = visit()
    save_account(window, site)
    window.goto("")
    for field in ("name", "subject", "message"):
        window.find(f"#contact_{field}").fill(HOSTILE[:100])
    window.find("#contact_email").fill("someone@khach.example")
    window.press("#contact button[type=submit]")
    window.goto(INBOX)
    window.press("tbody a")
    assert_inert(window)
    window.press("a[href='?part=text']")
    assert SAID in window.text("pre")
    assert_inert(window)
    window.goto(f"{window.path()}html/")
    assert SAID in window.text("body")
    assert_inert(window)
    window.goto("")


def test_texts_of_a_provider_are_shown_as_text(chromium, tmp_path):
    site = Site(tmp_path, demo=HostileDemo)
    try:
        with windows(chromium, site) as visit:
            window = visit()
            window.goto(ADD)
            window.find("#id_provider_search").fill("alert")
            assert SAID in window.text("#id_provider_list")
            window.find("#id_provider_search").press("Enter")
            assert window.value("provider") == "hostile"
            panel = window.find(".mailsetup-provider").filter(visible=True)
            panel.locator("summary").click()
            assert panel.inner_text().count(SAID) >= 8
            assert panel.locator("a[href^='javascript:']").count() == 0
            assert_inert(window)
            window.control("username").fill("someone@hostile.example")
            window.control("password").fill("canary 7f3a")
            site.secrets.append("canary 7f3a")
            window.press("[name=_savetest]")
            window.press("[name=_send]")
            assert window.text(TITLE) == FAILED
            assert_inert(window)
            window.goto(PROFILES)
            assert SAID in window.text("#result_list")
            assert_inert(window)
    finally:
        site.stop()
