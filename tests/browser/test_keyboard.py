"""The whole flow without a mouse: Tab, arrow keys, Space and Enter, with the focus always seen."""

from tests.browser.site import PROFILES
from tests.browser.steps import CHECKED, SENT, TITLE, save_account

MANY = 150  # presses of Tab; more than any page has stops

# What the focused element looks like, and what it looks like without the focus.
LOOKS = """(focused) => {
    const names = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderColor",
        "backgroundColor", "color", "textDecorationLine"];
    const look = (element) => {
        element.getAnimations().forEach((each) => each.finish());
        const style = getComputedStyle(element);
        const outline = style.outlineStyle === "none" ? [] : names.slice(0, 3);
        return [...outline, ...names.slice(3)].map((name) => `${name}: ${style[name]}`).join("; ");
    };
    const element = document.activeElement;
    const rect = element.getBoundingClientRect();
    const box = [rect.left, rect.top, rect.right, rect.bottom, innerWidth, innerHeight];
    const withFocus = look(element);
    element.blur();
    const without = look(element);
    element.focus();
    return [withFocus, without, box, element.outerHTML.slice(0, 200)];
}"""


def assert_focus_is_seen(window):
    focused, without, box, html = window.page.evaluate(LOOKS)
    assert focused != without, f"looks the same with and without the focus: {html}"
    left, top, right, bottom, width, height = box
    assert right - left > 3, html
    assert bottom - top > 3, html
    assert left < width, html
    assert right > 0, html
    assert top < height, html
    assert bottom > 0, html


def tab_to(window, selector, key="Tab"):
    """Press Tab until an element has the focus; see it at each stop."""
    stops = []
    for _ in range(MANY):
        window.page.keyboard.press(key)
        if window.page.evaluate("document.activeElement === document.body"):
            continue  # the browser's own controls are a stop of the round
        assert_focus_is_seen(window)
        if window.page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
        stops.append(window.page.evaluate("document.activeElement.outerHTML.slice(0, 80)"))
    raise AssertionError(f"Tab never reaches {selector}: {stops}")


def press_and_go(window, key):
    with window.page.expect_navigation():
        window.page.keyboard.press(key)


def test_the_whole_flow_works_by_keyboard_alone(visit, site):
    window = visit(signed_in=False)
    keys = window.page.keyboard
    window.goto("admin/")
    # The page's script puts the focus on the first field.
    assert window.page.evaluate("document.activeElement.id") == "id_username"
    keys.type("admin")
    tab_to(window, "#id_password")
    keys.type(site.admin_password)
    press_and_go(window, "Enter")

    tab_to(window, f"#content-main a[href='/{PROFILES}']")
    press_and_go(window, "Enter")
    tab_to(window, ".mailsetup-panel a[role=button]")
    press_and_go(window, "Enter")

    tab_to(window, "#id_provider_search")
    keys.press("ArrowDown")
    assert window.find("#id_provider_list").is_visible()
    keys.press("Escape")
    assert window.find("#id_provider_list").is_hidden()
    keys.type("may")  # the demo's account is at may-tea.example
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    active = window.find("#id_provider_search").get_attribute("aria-activedescendant")
    assert "Demo mail server" in window.text(f"#{active}")
    keys.press("Enter")
    assert window.value("provider") == "demo"
    assert window.value("host") == "localhost"
    tab_to(window, "#id_encryption")
    keys.press("ArrowDown")
    assert window.value("encryption") == "tls"
    assert window.value("port") == site.tls_port
    tab_to(window, "#id_username")
    keys.type(site.username)
    tab_to(window, "#id_password")
    keys.type(site.password)
    tab_to(window, ".mailsetup-reveal input")
    keys.press("Space")
    assert window.control("password").get_attribute("type") == "text"
    tab_to(window, "summary")
    keys.press("Enter")
    assert window.control("timeout").is_visible()
    tab_to(window, "[name=_savetest]")
    press_and_go(window, "Space")

    tab_to(window, "#id_html")
    keys.press("Space")
    assert not window.control("html").is_checked()
    keys.press("Space")
    tab_to(window, "[name=_send]")
    press_and_go(window, "Enter")
    assert window.text(TITLE) == SENT
    # Those who hear the page begin at the result; the next stop is within it.
    assert window.page.evaluate("document.activeElement.id") == "mailsetup-result"
    assert_focus_is_seen(window)
    tab_to(window, ".mailsetup-transcript summary")
    keys.press("Enter")
    tab_to(window, "#mailsetup-transcript")
    tab_to(window, ".mailsetup-copy")
    keys.press("Enter")
    window.find(".mailsetup-copied", has_text="Copied").wait_for()
    assert len(site.mails()) == 1


def test_enter_in_a_field_saves_with_and_without_scripts(visit, site):
    for scripts in (True, False):
        window = visit(java_script_enabled=scripts)
        if scripts:
            save_account(window, site)
        else:
            window.goto(PROFILES)
        window.press("th.field-name_and_marks a")
        window.control("from_name").fill(f"Mây {scripts}")
        window.control("from_name").focus()
        press_and_go(window, "Enter")
        assert window.path() == PROFILES
        assert site.rows("SELECT from_name FROM mailsetup_smtpprofile") == [(f"Mây {scripts}",)]


def test_enter_on_the_test_page_sends(visit, site):
    window = visit()
    save_account(window, site, "_savetest")
    window.control("to").focus()
    press_and_go(window, "Enter")
    assert window.text(TITLE) == SENT
    tab_to(window, "[name=_check]")
    press_and_go(window, "Space")
    assert window.text(TITLE) == CHECKED
