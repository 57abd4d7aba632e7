"""The form of a profile: what it fills in, what it leaves alone, and what it says."""

import pytest

from tests.browser.site import ADD, PROFILES
from tests.browser.steps import (
    LOCALES,
    choose_provider,
    errors_at,
    save_account,
    type_account,
    words,
)

expect = pytest.importorskip("playwright.sync_api").expect

PASTED = "abcd efgh ijkl mnop"


def test_provider_fills_in_its_server_and_says_what_it_wants(visit):
    window = visit()
    window.goto(ADD)
    choose_provider(window, "gmail")
    assert window.value("provider") == "gmail"
    assert window.value("host") == "smtp.gmail.com"
    assert (window.value("port"), window.value("encryption")) == ("587", "starttls")
    assert window.value("slug") == "gmail"
    panel = window.find(".mailsetup-provider").filter(visible=True)
    assert panel.count() == 1
    assert "app password" in panel.inner_text()
    assert panel.locator("a[href^='https://']").first.get_attribute("rel") == "noopener noreferrer"
    window.dialogs.clear()


def test_search_that_finds_nothing_offers_other(visit):
    window = visit()
    window.goto(ADD)
    window.find("#id_provider_search").fill("no such thing at all")
    assert window.find("#id_provider_list [role=option]").count() == 1
    assert "Choose “Other”" in window.text("#id_provider_list")
    window.find("#id_provider_search").press("Escape")
    expect(window.find("#id_provider_list")).to_be_hidden()


def test_encryption_offers_its_port_until_one_is_typed(visit):
    window = visit()
    window.goto(ADD)
    encryption = window.control("encryption")
    for choice, port in {"tls": "465", "none": "25", "starttls": "587"}.items():
        encryption.select_option(choice)
        assert window.value("port") == port
    window.control("port").fill("2525")
    for choice in ("tls", "none", "starttls"):
        encryption.select_option(choice)
        assert window.value("port") == "2525"
    window.control("port").fill("")
    encryption.select_option("tls")
    assert window.value("port") == "465"


def test_typed_port_stays_after_the_form_comes_back_with_errors(visit, site):
    window = visit()
    type_account(window, site, port="2525", username="")
    window.press("[name=_save]")
    assert errors_at(window, "username")
    window.control("encryption").select_option("tls")
    assert window.value("port") == "2525"


@pytest.mark.parametrize(
    ("provider", "encryption", "port"),
    [
        ("sendgrid", "starttls", 2525),
        ("gmail", "starttls", 465),
        ("mailpit", "none", 25),
        ("other", "none", 587),
        ("", "tls", 587),
    ],
)
def test_stored_values_stay_until_something_else_is_chosen(visit, site, provider, encryption, port):
    window = visit()
    save_account(window, site)
    site.rows(
        "UPDATE mailsetup_smtpprofile SET provider = ?, encryption = ?, port = ?",
        *(provider, encryption, port),
    )
    window.press("th.field-name_and_marks a")
    # Looking at the list of providers, and leaving it, chooses nothing.
    window.find("#id_provider_search").click()
    window.find("#id_provider_search").press("Tab")
    found = [window.value(name) for name in ("provider", "host", "encryption", "port")]
    assert found == [provider, "localhost", encryption, str(port)]
    choose_provider(window, "yahoo")
    assert (window.value("port"), window.value("host")) == ("465", "smtp.mail.yahoo.com")
    window.dialogs.clear()


def test_provider_chosen_later_keeps_a_port_typed_by_hand(visit):
    window = visit()
    window.goto(ADD)
    window.control("port").fill("2525")
    choose_provider(window, "gmail")
    assert (window.value("host"), window.value("port")) == ("smtp.gmail.com", "2525")
    window.control("port").fill("465")
    choose_provider(window, "yahoo")
    assert (window.value("port"), window.value("encryption")) == ("465", "tls")
    window.dialogs.clear()


def test_username_typed_first_proposes_its_provider(visit):
    window = visit()
    window.goto(ADD)
    window.control("username").fill("someone@gmail.com")
    window.control("password").focus()
    assert "Gmail" in window.text("#mailsetup-proposal")
    assert window.value("host") == ""
    window.find("#mailsetup-proposal button").click()
    assert window.value("host") == "smtp.gmail.com"
    assert window.value("username") == "someone@gmail.com"
    expect(window.control("password")).to_be_focused()
    expect(window.find("#mailsetup-proposal")).to_have_count(0)


def test_blanks_of_an_app_password_are_taken_out_visibly(visit, site):
    site.secrets += [PASTED, PASTED.replace(" ", "")]
    window = visit()
    window.goto(ADD)
    choose_provider(window, "gmail")
    window.control("password").fill(PASTED)
    assert window.value("password") == PASTED.replace(" ", "")
    expect(window.find("#mailsetup-password-note")).to_have_text(
        "The blanks in the app password were taken out."
    )
    window.control("password").fill("a password, of words")
    assert window.value("password") == "a password, of words"
    expect(window.find("#mailsetup-password-note")).to_have_text("")


def test_blanks_are_taken_out_without_scripts_too_and_it_is_said(visit, site):
    site.secrets += [PASTED, PASTED.replace(" ", "")]
    window = visit(java_script_enabled=False)
    window.goto(ADD)
    window.control("provider").select_option("gmail")
    window.control("username").fill("someone@gmail.com")
    window.control("password").fill(PASTED)
    window.press("[name=_save]")
    # Beside a line on failing mail that the site may still have in mind.
    told = window.text(".messagelist:not(.mailsetup-trouble)")
    assert "The blanks in the app password were taken out." in told


def test_typed_password_can_be_looked_at_and_goes_hidden_again(visit, site):
    window = visit()
    type_account(window, site)
    box = window.find(".mailsetup-reveal input")
    box.check()
    expect(window.control("password")).to_have_attribute("type", "text")
    box.uncheck()
    expect(window.control("password")).to_have_attribute("type", "password")


def test_another_host_asks_for_the_password_again(visit, site):
    window = visit()
    save_account(window, site)
    window.press("th.field-name_and_marks a")
    window.control("host").fill("127.0.0.1")
    window.press("[name=_save]")
    assert window.path() != PROFILES
    assert "Enter the password again" in errors_at(window, "password")[0]
    for button in ("_test", "_savetest"):
        window.press(f"[name={button}]")
        assert "Enter the password again" in errors_at(window, "password")[0]
    assert site.rows("SELECT host FROM mailsetup_smtpprofile") == [("localhost",)]
    window.control("password").fill(site.password)
    window.press("[name=_savetest]")
    window.press("[name=_check]")
    assert window.text("#mailsetup-result-title") == "The connection works. Nothing was sent."


def test_leaving_with_unsaved_changes_warns(visit, site):
    window = visit()
    window.goto(ADD)
    window.press("#site-name a")
    assert window.dialogs == []
    type_account(window, site)
    window.press("#site-name a")
    assert window.dialogs == ["beforeunload"]
    window.dialogs.clear()
    save_account(window, site)
    assert window.dialogs == []


def test_what_scripts_say_is_vietnamese_too(visit, site):
    window = visit(locale=LOCALES["vi"])
    window.goto(ADD)
    search = window.find("#id_provider_search")
    assert search.get_attribute("placeholder") == words("Search a provider", "vi")
    search.fill("khong co gi")
    assert words("No provider found. Choose “Other”, and type the host yourself.", "vi") in (
        window.text("#id_provider_list")
    )
    search.press("Escape")
    window.control("username").fill("ai@gmail.com")
    window.control("password").focus()
    proposal = words("This looks like an account of {provider}.", "vi")
    assert proposal.split("{")[0].strip() in window.text("#mailsetup-proposal")
    button = window.find("#mailsetup-proposal button")
    assert button.inner_text() == words("Fill in its settings", "vi")
    button.click()
    filled = words("The settings of {provider} were filled in.", "vi")
    assert filled.split("{")[0].strip() in window.text("p.mailsetup-live >> nth=0")
    assert words("Show the typed password", "vi") in window.text(".mailsetup-reveal")
    window.control("password").fill(PASTED)
    blanks = words("The blanks in the app password were taken out.", "vi")
    expect(window.find("#mailsetup-password-note")).to_have_text(blanks)
