"""The mail log in a browser: strangers' words run nothing and fetch nothing; it works by hand."""

import pytest

from tests.browser import mails
from tests.browser.steps import save_account
from tests.browser.test_strangers import assert_inert
from tests.mails import TOKEN

LOG = "admin/mailsetup/message/"
# The frame's policy and sandbox tell on the console what they stopped: that is them at work.
STOPPED = (
    "violates the following Content Security Policy directive",
    "in a sandboxed frame",
    "frame is sandboxed",
)


def stopped(window):
    """Take what the frame's policy stopped off the window's problems, and return it."""
    found = [each for each in window.problems if any(words in each for words in STOPPED)]
    window.problems[:] = [each for each in window.problems if each not in found]
    return found


def open_all(window):
    window.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    window.page.wait_for_load_state("networkidle")


def assert_frame_is_inert(window):
    """See that the frame shows the mail, and that nothing in it came to life."""
    frame = window.page.frames[1]
    assert "Read me" in frame.locator("body").inner_text()
    assert frame.url.endswith("/preview/")
    loaded = frame.locator("img").evaluate_all("all => all.filter((each) => each.naturalWidth)")
    assert loaded == []
    for name in ("link", "base[href]", "meta[http-equiv=refresh]"):
        assert frame.locator(name).count() == 0


def test_hostile_mail_is_shown_as_text_and_fetches_nothing(visit, site):
    keys = mails.put(site, "hostile")
    window = visit()
    window.goto(LOG)
    assert "<script>alert(1)</script>" in window.text("#result_list")
    assert_inert(window)
    for state, key in keys.items():
        window.goto(f"{LOG}{key}/change/")
        open_all(window)
        assert window.text("#content-main").count("<script>alert(1)</script>") >= 10, state
        assert_inert(window)
        assert_frame_is_inert(window)
    key = keys["failed"]
    for page in (f"{LOG}{key}/resend/", f"{LOG}{keys['queued']}/cancel/", f"{LOG}{key}/history/"):
        window.goto(page)
        assert_inert(window)
    window.goto(f"{LOG}?q=script")
    assert_inert(window)
    for page in ("admin/", "admin/mailsetup/smtpprofile/"):
        window.goto(page)
        assert_inert(window)
    assert stopped(window)


def test_hostile_mail_shown_whole_runs_nothing_either(visit, site):
    key = mails.put(site, "hostile")["failed"]
    window = visit()
    window.goto(f"{LOG}{key}/change/")
    window.press("form[action$='/reveal/'] button")
    open_all(window)
    assert "You see all of it" in window.text("#content-main")
    assert_inert(window)
    assert_frame_is_inert(window)
    # The frame's own address, opened by itself, is as harmless.
    window.goto(f"{LOG}{key}/preview/")
    window.page.wait_for_load_state("networkidle")
    assert "Read me" in window.text("body")
    window.find("a").last.click()
    window.goto(f"{LOG}{key}/change/")
    assert stopped(window)


def test_hostile_mails_are_asked_about_as_text(visit, site):
    mails.put(site, "hostile")
    window = visit()
    window.goto(LOG)
    window.find("#action-toggle").check()
    window.find("select[name=action]").select_option("cancel_selected")
    window.press("[name=index]")
    assert "<script>alert(1)</script>" in window.text(".mailsetup-chosen")
    assert_inert(window)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_codes_come_down_the_wire_only_when_asked_for(visit, site, scripts):
    key = mails.put(site, "usual")["failed"]
    site.secrets.append(TOKEN)
    window = visit(java_script_enabled=scripts)
    window.goto(f"{LOG}?state=failed")
    window.press("#result_list a.mailsetup-subject")
    assert window.path() == f"{LOG}{key}/change/"
    for page in (f"{LOG}{key}/history/", f"{LOG}{key}/resend/", f"{LOG}{key}/preview/"):
        window.goto(page)
    assert not site.wire.found(site.secrets)
    window.goto(f"{LOG}{key}/change/")
    site.secrets.remove(TOKEN)
    window.press("form[action$='/reveal/'] button")
    assert TOKEN in window.page.content()
    window.goto(f"{LOG}{key}/history/")
    assert "Looked at the whole mail" in window.text("#change-history")
    stopped(window)


def test_mail_is_sent_again_without_scripts(visit, site):
    save_account(visit(), site)
    window = visit(java_script_enabled=False)
    key = mails.put(site, "usual")["failed"]
    window.goto(f"{LOG}{key}/change/")
    window.press("a[href$='/resend/']")
    window.control("to").fill("someone@khach.example")
    window.press(".submit-row [type=submit]")
    assert "will be sent again" in window.text(".messagelist:not(.mailsetup-trouble)")
    assert "someone@khach.example" in window.text("#content-main")
    stopped(window)


# The names of a caller that do not stand on one line. A dot ends a piece, a blank ends a name.
BROKEN = """() => {
    const broken = [];
    for (const caller of document.querySelectorAll("#result_list .mailsetup-caller")) {
        const walker = document.createTreeWalker(caller, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            for (const name of node.data.matchAll(/[^\\s.]+/g)) {
                const range = document.createRange();
                range.setStart(node, name.index);
                range.setEnd(node, name.index + name[0].length);
                if (range.getClientRects().length !== 1) { broken.push(name[0]); }
            }
        }
    }
    return broken;
}"""


@pytest.mark.parametrize("width", [320, 768, 1024, 1280])
def test_callers_break_at_their_dots_alone(visit, site, width):
    mails.put(site, "usual")
    window = visit()
    window.page.set_viewport_size({"width": width, "height": 900})
    window.goto(LOG)
    assert "send_confirmation" in window.text("#result_list .mailsetup-caller >> nth=1")
    assert window.page.evaluate(BROKEN) == []
    # Where a name has too little room it breaks, and that is found.
    window.find(".mailsetup-caller >> nth=1").evaluate("(each) => { each.style.width = '30px'; }")
    assert "send_confirmation" in window.page.evaluate(BROKEN)


def test_list_is_worked_with_by_keyboard(visit, site):
    mails.put(site, "usual")
    window = visit()
    window.goto(LOG)
    window.find("#searchbar").fill("password anna")
    with window.page.expect_navigation():
        window.page.keyboard.press("Enter")
    assert window.find("#result_list tbody tr").count() == 9
    window.find("a.mailsetup-counter").first.focus()
    with window.page.expect_navigation():
        window.page.keyboard.press("Enter")
    assert window.find("#result_list tbody tr").count() == 3


def test_file_is_saved_and_not_opened(visit, site):
    key = mails.put(site, "usual")["sent"]
    window = visit()
    window.goto(f"{LOG}{key}/change/")
    for form in ("attachment", "eml"):
        with window.page.expect_download() as download:
            window.find(f"form[action$='/{form}/'] button").first.click()
        assert download.value.suggested_filename in {"invoice.pdf", f"mail-{key}.eml"}
    assert window.path() == f"{LOG}{key}/change/"
    stopped(window)
