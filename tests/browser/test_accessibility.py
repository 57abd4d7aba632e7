"""axe-core on every page, light and dark, narrow and wide: no fault that the stock admin lacks.

What the stock admin's pages break is measured in the same run. It excuses only the same rule on
the same element, such as one of the sidebar that all pages share.
"""

import time

import pytest

from mailsetup.admin import trouble
from tests.browser import axe, mails
from tests.browser.site import ADD, INBOX, PROFILES, TEST, Site
from tests.browser.steps import LOCALES, save_account, sign_in, type_account
from tests.browser.window import Window, windows

# axe-core reads style sheets by putting them into the page, which the site's policy stops.
OPEN = {"bypass_csp": True}
STOCK = ["", "add/", "1/change/", "1/delete/", "1/history/"]
# Another language changes the words, and so the widths, but no colour.
TRANSLATED = {"widths": axe.WIDTHS[::2], "schemes": axe.SCHEMES[:1]}


@pytest.fixture(scope="module")
def code() -> str:
    return axe.source()


@pytest.fixture(scope="module")
def excused(chromium, demo: Site, code) -> dict[str, set[tuple[str, str]]]:
    """What the stock pages break, by language."""
    found = {language: set() for language in LOCALES}
    with windows(chromium, demo) as visit:
        for language, locale in LOCALES.items():
            window = visit(locale=locale, **OPEN)
            for page in STOCK:
                window.goto(f"admin/auth/user/{page}")
                for _ in axe.looks(window, **({} if language == "en" else TRANSLATED)):
                    found[language] |= axe.violations(window, code)
    return found


def assert_accessible(window, code, excused, **looks):
    # What is folded away is a part of the page too.
    window.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for look in axe.looks(window, **looks):
        assert axe.violations(window, code) - excused == set(), look
        assert axe.overflow(window) <= 0, look


def test_checker_finds_a_fault_put_into_a_page(visit, code):
    window = visit(**OPEN)
    window.goto(TEST)
    assert axe.violations(window, code) == set()
    window.page.evaluate("document.querySelector('h1').innerHTML += '<img src=data:,>'")
    assert {rule for rule, _ in axe.violations(window, code)} >= {"image-alt"}


def result_of(button, **values):
    def steps(window, site):
        save_account(window, site, "_savetest", **values)
        window.press(f"[name={button}]")

    return steps


def errors_on_adding(window, site):
    window.goto(ADD)
    window.press("[name=_save]")


def picker(window, site):
    window.goto(ADD)
    window.find("#id_provider_search").fill("m")


def typed_values(window, site):
    type_account(window, site)
    window.press("[name=_test]")


def filled_list(window, site):
    result_of("_check", password="canary 7f3a")(window, site)
    type_account(window, site)
    window.control("do_not_send").check()
    window.press("[name=_save]")


def change(window, site):
    save_account(window, site)
    window.press("th.field-name_and_marks a")


def page_of_object(page):
    def steps(window, site):
        change(window, site)
        window.goto(window.path().replace("change/", f"{page}/"))

    return steps


def deletion_of_the_default(window, site):
    for slug in ("first", "second"):
        save_account(window, site, slug=slug)
    window.find("#action-toggle").check()
    window.find("select[name=action]").select_option("delete_selected")
    window.press("[name=index]")


def only_looking(window, site):
    change(window, site)
    page = window.path()
    site.employ("looker", "view_smtpprofile")
    window.page.context.clear_cookies()
    sign_in(window, site, "looker")
    window.goto(page)
    assert window.find("input[name=host]").count() == 0
    assert "smtp" in window.text(".mailsetup-values").lower()


def errors_on_changing(window, site):
    change(window, site)
    window.control("host").fill("smtp://127.0.0.1")
    window.control("port").fill("70000")
    window.press("[name=_save]")


ADMIN = {
    "app": lambda window, site: window.goto("admin/mailsetup/"),
    "empty list": lambda window, site: window.goto(PROFILES),
    "list": filled_list,
    "add": lambda window, site: window.goto(ADD),
    "add with errors": errors_on_adding,
    "search of a provider": picker,
    "change": change,
    "change with errors": errors_on_changing,
    "change by who may only look": only_looking,
    "deletion": page_of_object("delete"),
    "deletion of several": deletion_of_the_default,
    "history": page_of_object("history"),
    "test without a profile": lambda window, site: window.goto(TEST),
    "test": lambda window, site: save_account(window, site, "_savetest"),
    "test of typed values": typed_values,
    "success": result_of("_send"),
    "failed login": result_of("_send", password="canary 7f3a"),
}


LOG = "admin/mailsetup/message/"


def filled_log(query):
    def steps(window, site):
        mails.put(site, "usual")
        window.goto(LOG + query)

    return steps


def page_of_mail(state, page="change"):
    def steps(window, site):
        save_account(window, site)
        key = mails.put(site, "usual")[state]
        window.goto(f"{LOG}{key}/{page}/")

    return steps


def revealed_mail(window, site):
    page_of_mail("sent")(window, site)
    window.press("form[action$='/reveal/'] button")


def many(action):
    def steps(window, site):
        filled_log("")(window, site)
        window.find("#action-toggle").check()
        window.find("select[name=action]").select_option(action)
        window.press("[name=index]")
        assert "Left out" in window.page.content() or "Bỏ qua" in window.page.content()

    return steps


def errors_on_resending(window, site):
    page_of_mail("failed", "resend")(window, site)
    window.control("to").fill("nobody")
    window.press(".submit-row [type=submit]")


def log_of_a_profile_kept_back(window, site):
    profile_kept_back(window, site)
    until_told(window, LOG, ".mailsetup-kept button")


def profile_kept_back(window, site):
    save_account(window, site)
    (slug,) = site.rows("SELECT slug FROM mailsetup_smtpprofile")[0]
    site.rows(
        "INSERT INTO mailsetup_profilestate (slug, test_passed, test_stage, test_settings,"
        " kept_settings, stopped_reason, login_settings, held_until, held_reason, failures,"
        " refusals) VALUES (?, 0, '', '', '', '', '', '2999-01-01 00:00', 'The quota.', 0, 0)",
        slug,
    )
    until_told(window, PROFILES, ".mailsetup-kept")


def until_told(window, path, sign):
    """Open a page until it tells what is wrong: the site asks only every few seconds."""
    end = time.monotonic() + 3 * trouble.SECONDS
    window.goto(path)
    while not window.find(sign).count():
        assert time.monotonic() < end, f"{path} does not tell what is wrong"
        window.page.wait_for_timeout(250)
        window.goto(path)


ADMIN |= {
    "empty log": lambda window, site: window.goto(LOG),
    "log": filled_log(""),
    "log, filtered": filled_log("?state=failed&q=reset"),
    "mail that failed": page_of_mail("failed"),
    "mail that waits": page_of_mail("queued"),
    "mail shown whole": revealed_mail,
    "sending a mail again": page_of_mail("failed", "resend"),
    "sending a mail again, with errors": errors_on_resending,
    "canceling a mail": page_of_mail("queued", "cancel"),
    "canceling several": many("cancel_selected"),
    "sending several again": many("resend_selected"),
    "deletion of old mails": lambda window, site: window.goto(f"{LOG}purge/"),
    "profile whose mail is kept back": profile_kept_back,
    "log of a profile whose mail is kept back": log_of_a_profile_kept_back,
}


@pytest.mark.parametrize("name", ADMIN)
def test_page_of_the_admin_is_as_accessible_as_the_stock_ones(visit, site, code, excused, name):
    window = visit(**OPEN)
    ADMIN[name](window, site)
    assert_accessible(window, code, excused["en"])
    window.dialogs.clear()


@pytest.mark.parametrize("name", ADMIN)
def test_page_of_the_admin_is_as_accessible_in_vietnamese(visit, site, code, excused, name):
    window = visit(locale=LOCALES["vi"], **OPEN)
    ADMIN[name](window, site)
    assert window.find("html").get_attribute("lang") == "vi"
    assert_accessible(window, code, excused["vi"], **TRANSLATED)
    window.dialogs.clear()


def test_page_before_migrate_is_accessible(visit, site, code, excused):
    (applied,) = site.rows(
        "SELECT app, name, applied FROM django_migrations WHERE app = 'mailsetup' LIMIT 1"
    )
    site.rows("ALTER TABLE mailsetup_smtpprofile RENAME TO away")
    site.rows("DELETE FROM django_migrations WHERE app = ? AND name = ?", *applied[:2])
    try:
        window = visit(**OPEN)
        window.goto(PROFILES)
        assert "manage.py migrate" in window.text(".mailsetup-box")
        assert_accessible(window, code, excused["en"])
    finally:
        site.rows("ALTER TABLE away RENAME TO mailsetup_smtpprofile")
        site.rows("INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)", *applied)


def test_form_with_locked_fields_is_accessible(chromium, tmp_path, code, excused):
    variables = {"HOST": "mail.example.com", "PORT": "2525", "PASSWORD": "locked away"}
    other = Site(tmp_path, **{f"MAILSETUP_DEMO_{name}": v for name, v in variables.items()})
    try:
        other.secrets.append("locked away")
        with windows(chromium, other) as visit:
            window = visit(**OPEN)
            window.goto(PROFILES)
            assert_accessible(window, code, excused["en"])
            type_account(window, other)
            window.press("[name=_continue]")
            assert "MAILSETUP_DEMO_HOST" in window.text(".field-host")
            assert window.control("host").is_disabled()
            assert window.value("password") == ""
            assert_accessible(window, code, excused["en"])
    finally:
        other.stop()


def order_with_errors(window, site):
    window.goto("")
    window.press("#order button[type=submit]")


def mail(part):
    def steps(window, site):
        result_of("_send")(window, site)
        window.goto(INBOX)
        window.press("tbody a")
        window.goto(f"{window.path()}?part={part}")

    return steps


def full_inbox(window, site):
    result_of("_send")(window, site)
    window.goto(INBOX)


def wrong_sign_in(window, site):
    window.page.context.clear_cookies()
    window.goto("sign-in/")
    window.press("main [type=submit]")


def error_page(window, site):
    window.goto("")
    window.press("form[action='/raise-error/'] button")


SHOP = {
    "home": lambda window, site: window.goto(""),
    "order with errors": order_with_errors,
    "empty inbox": lambda window, site: window.goto(INBOX),
    "inbox": full_inbox,
    "mail": mail("html"),
    "source of a mail": mail("source"),
    "sign-in with errors": wrong_sign_in,
    "password reset": lambda window, site: window.goto("password-reset/"),
    "reset mail sent": lambda window, site: window.goto("password-reset/sent/"),
    "used link": lambda window, site: window.goto("password-reset/MQ/x-x/"),
    "not found": lambda window, site: window.goto("nothing/"),
    "error": error_page,
}


@pytest.mark.parametrize("name", SHOP)
def test_page_of_the_example_site_is_accessible(visit, site, code, name):
    window = visit(**OPEN)
    SHOP[name](window, site)
    assert_accessible(window, code, excused=set())


def test_test_mail_is_accessible(chromium, visit, site, code):
    window = visit(**OPEN)
    full_inbox(window, site)
    window.press("tbody a")
    with window.page.expect_response("**/html/") as answer:
        window.page.reload()
    mail = Window.open(chromium.new_context(), site.url)
    mail.page.set_content(answer.value.text())
    for look in axe.looks(mail):
        assert axe.violations(mail, code, axe.WCAG) == set(), look
        assert axe.overflow(mail) <= 0, look
    mail.page.context.close()
