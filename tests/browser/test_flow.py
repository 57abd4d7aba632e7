"""The main job, from signing in to the mail in the inbox; then the site's own mails."""

import pytest

from tests.browser.site import ADD, INBOX, PROFILES
from tests.browser.steps import (
    LOCALES,
    SENT,
    TITLE,
    choose_provider,
    save_account,
    send_form,
    sign_in,
    words,
)

expect = pytest.importorskip("playwright.sync_api").expect


def subjects(window) -> list[str]:
    window.goto(INBOX)
    return window.find("tbody td:first-child").all_inner_texts()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("language", LOCALES)
def test_an_account_typed_once_carries_all_mail_of_the_site(visit, site, language, scripts):
    window = visit(signed_in=False, locale=LOCALES[language], java_script_enabled=scripts)
    sign_in(window, site)
    assert window.find("html").get_attribute("lang") == language
    window.press(f"#content-main a[href='/{ADD}']")

    if scripts:
        choose_provider(window, "demo")
    else:
        window.control("provider").select_option("demo")
        window.press("[name=_fill]")
    assert window.value("host") == "localhost"
    assert window.value("port") == site.starttls_port
    assert window.value("encryption") == "starttls"
    window.control("username").fill(site.username)
    window.control("password").fill(site.password)
    window.press("[name=_save]")
    assert window.path() == PROFILES

    window.press(".mailsetup-test-link")
    assert window.value("to") == "admin@may-tea.example"
    window.press("[name=_send]")
    assert window.text(TITLE) == words(SENT, language)
    facts = window.text(".mailsetup-facts")
    assert "250 2.0.0" in facts
    assert "TLSv1.3" in facts
    test_subject = subjects(window)[0]
    window.press("tbody a")
    assert "admin@may-tea.example" in window.text("dl.facts")
    assert window.text("h1") == test_subject
    with window.page.expect_response("**/html/") as mail:
        window.page.reload()
    assert "TLSv1.3" in mail.value.text()

    send_form(window, "order", quantity="3", address="12 Phố Huế")
    send_form(window, "contact", subject="Nước nóng?", message="Xin chào")
    window.goto("password-reset/")
    window.control("email").fill("admin@may-tea.example")
    window.press("main form [type=submit]")
    window.goto("")
    window.press("form[action='/raise-error/'] button")
    assert window.find("h1").count() == 1

    arrived = subjects(window)
    assert len(arrived) == 6
    assert "[Mây Tea] ERROR" in arrived[0]
    assert arrived[1] == words("Choose a new password for Mây Tea", language)
    assert "Nước nóng?" in arrived[2]
    assert arrived[5] == test_subject


def test_a_reset_link_that_arrived_opens_its_page(visit, site):
    window = visit()
    save_account(window, site)
    window.goto("password-reset/")
    window.control("email").fill("admin@may-tea.example")
    window.press("main form [type=submit]")
    window.goto(INBOX)
    window.press("tbody a")
    window.press("a[href='?part=text']")
    window.press("pre a[href*='password-reset']")
    expect(window.find("#id_new_password1")).to_be_visible()
