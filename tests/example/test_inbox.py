"""The demo's inbox page: staff only, and harmless whatever a mail holds."""

from email.message import EmailMessage

import pytest
from django.urls import reverse

from config.demo import inbox, state
from tests.example.translations import english_in, visible

pytestmark = [pytest.mark.django_db, pytest.mark.urls("config.demo.urls")]

KEY = "20260102T030405000006-abcdef"
EVIL = '<script>alert(1)</script><img src="http://tracker.example/x.png"><form action="/admin/">'


@pytest.fixture
def mails(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "MAILS", tmp_path)
    return tmp_path


@pytest.fixture
def clerk(client, staff):
    client.force_login(staff)
    return client


def keep(mails, *, key: str = KEY, html: str | None = EVIL) -> None:
    message = EmailMessage()
    message["Delivered-To"] = "a@b.example"
    message["From"] = "Trà <shop@may-tea.example>"
    message["Subject"] = "<script>alert('subject')</script>"
    message.set_content("Xin chào <b>bạn</b>")
    if html is not None:
        message.add_alternative(html, subtype="html")
        picture = message.get_payload()[1]
        picture.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<logo@x>")
    message.add_attachment(b"x" * 2048, maintype="application", subtype="pdf", filename="<i>.pdf")
    (mails / f"{key}.eml").write_bytes(message.as_bytes())


def pages(key: str = KEY) -> list[str]:
    return [
        reverse("demo:inbox"),
        reverse("demo:mail", args=[key]),
        reverse("demo:mail-html", args=[key]),
    ]


def test_only_staff_see_anything_of_it(client, visitor, mails):
    keep(mails)
    for _ in ("anonymous", "signed in"):
        for page in pages():
            assert client.get(page).headers["Location"].startswith(reverse("login"))
        assert client.post(reverse("demo:empty")).headers["Location"].startswith(reverse("login"))
        client.force_login(visitor)
    assert inbox.keys(mails) == [KEY]


def test_list_shows_the_newest_first(clerk, mails):
    keep(mails)
    keep(mails, key="20270102T030405000006-abcdef")
    page = clerk.get(reverse("demo:inbox")).content.decode()
    assert page.index("20270102T") < page.index("20260102T")
    assert "Trà &lt;shop@may-tea.example&gt;" in page
    assert "<script>" not in page


def test_empty_inbox_says_what_to_do(clerk, mails):
    assert "No mail yet" in clerk.get(reverse("demo:inbox")).content.decode()


@pytest.mark.parametrize("part", ["html", "text", "source"])
def test_page_of_a_mail_shows_strangers_words_as_text(clerk, mails, part):
    keep(mails)
    page = clerk.get(reverse("demo:mail", args=[KEY]), {"part": part}).content.decode()
    assert "<script>" not in page
    assert "tracker.example" not in page or part == "source"
    assert "&lt;i&gt;.pdf (2.0" in page
    assert ("<iframe" in page) is (part == "html")
    if part == "html":
        assert " sandbox " in page
    if part == "text":
        assert "Xin chào &lt;b&gt;bạn&lt;/b&gt;" in page


def test_html_comes_with_a_policy_that_runs_and_fetches_nothing(clerk, mails):
    keep(mails, html='<img src="cid:logo@x"><p>Trà</p>')
    response = clerk.get(reverse("demo:mail-html", args=[KEY]))
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:;")
    assert "script" not in policy
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "data:image/png;base64,iVBORw==" in response.content.decode()


def test_links_of_the_text_can_be_followed(clerk, mails):
    (mails / f"{KEY}.eml").write_bytes(b"Subject: x\r\n\r\nOpen https://a.example/?x=<b>1\r\n")
    page = clerk.get(reverse("demo:mail", args=[KEY])).content.decode()
    assert 'href="https://a.example/?x=' in page
    assert "<b>1" not in page


def test_pages_are_vietnamese_too(clerk, mails):
    clerk.cookies["django_language"] = "vi"
    empty = clerk.get(reverse("demo:inbox")).content.decode()
    keep(mails)
    for page in [empty, *(clerk.get(address).content.decode() for address in pages()[:2])]:
        assert english_in(visible(page)) == []


def test_mail_without_html_opens_with_its_text(clerk, mails):
    keep(mails, html=None)
    assert "Xin chào" in clerk.get(reverse("demo:mail", args=[KEY])).content.decode()
    assert clerk.get(reverse("demo:mail-html", args=[KEY])).status_code == 404


@pytest.mark.parametrize("key", ["nothing", "20260102T030405000007-abcdef", "secrets"])
def test_unknown_mail_is_not_found(clerk, mails, key):
    (mails / "secrets.eml").write_text("not a mail of the server")
    assert clerk.get(reverse("demo:mail", args=[key])).status_code == 404


def test_all_are_deleted_by_post_only(clerk, mails):
    keep(mails)
    assert clerk.get(reverse("demo:empty")).status_code == 405
    page = clerk.post(reverse("demo:empty"), follow=True).content.decode()
    assert "1 mail deleted." in page
    assert inbox.keys(mails) == []


def test_mail_of_unknown_charset_is_still_shown(clerk, mails):
    (mails / f"{KEY}.eml").write_bytes(
        b"Subject: odd\r\nContent-Type: text/plain; charset=klingon\r\n\r\nhello \xff\r\n"
    )
    page = clerk.get(reverse("demo:mail", args=[KEY])).content.decode()
    assert "hello" in page


def test_site_without_the_demo_has_no_inbox(client, staff, settings):
    settings.ROOT_URLCONF = "config.urls"
    client.force_login(staff)
    assert client.get("/demo/inbox/").status_code == 404
