"""The providers: the data file, entry by entry, and what is asked of it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from mailsetup import providers
from mailsetup.providers import Host, Port, Provider

PAIRED = ("name", "username_hint", "secret_hint", "limits", "notes", "warnings")
KEYS = {
    *PAIRED,
    *("id", "kind", "keywords", "domains", "host", "ports", "hosts", "username_example"),
    *("fixed_username", "secret_kind", "secret_url", "steps", "strip_blanks", "max_connections"),
    *("messages_per_connection", "oauth2", "idempotency_header", "imap", "docs_url", "as_of"),
}
HOST_NAME = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}")
PLACEHOLDER = re.compile(r"example\.|your|[<>]|\.(example|invalid|test|local)$")
# Letters of Vietnamese that English never has.
VIETNAMESE = re.compile(
    r"[ăâđêôơưàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ]", re.IGNORECASE
)
# Ports that are secured in one way only.
SECURED = {465: "tls", 2465: "tls", 25: "starttls", 587: "starttls", 2587: "starttls"}

RAW = json.loads(providers.DATA.read_text(encoding="utf-8"))["providers"]
entries = pytest.mark.parametrize("entry", RAW, ids=[entry["id"] for entry in RAW])


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Let each test register providers that are gone after it."""
    registered: dict[str, Provider] = {}
    monkeypatch.setattr(providers, "_registered", registered)
    return registered


def pairs(entry):
    """Yield every {en, vi} pair of an entry, each with its place."""
    yield from ((key, entry[key]) for key in PAIRED if isinstance(entry[key], dict))
    for host in entry["hosts"]:
        if isinstance(host["label"], dict):
            yield f"hosts.{host['id']}", host["label"]
    steps = entry["steps"] or {"en": [], "vi": []}
    for number, (en, vi) in enumerate(zip(steps["en"], steps["vi"], strict=True), start=1):
        yield f"steps.{number}", {"en": en, "vi": vi}


def urls(text):
    """Return the addresses a text names, without the sentence's own punctuation."""
    return [url.rstrip(".,;:)") for url in re.findall(r"https?://\S+", text)]


def demo(**changes):
    ports = (Port(2525, "starttls"),)
    given = {"id": "demo", "name": "Demo server", "host": "127.0.0.1", "ports": ports}
    return Provider(**given | changes)


def test_ids_are_unique_words():
    ids = [entry["id"] for entry in RAW]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{1,49}", each) for each in ids)


def test_at_least_35_have_a_host_and_only_other_which_is_last_has_none():
    assert len([entry for entry in RAW if entry["host"]]) >= 35
    assert [entry["id"] for entry in RAW if not entry["host"]] == ["other"] == [RAW[-1]["id"]]


@entries
def test_hosts_are_real_names(entry):
    hosts = [entry["host"], *(each["host"] for each in entry["hosts"])]
    hosts += [each["imap_host"] for each in entry["hosts"] if "imap_host" in each]
    hosts += [entry["imap"]["host"]] if entry["imap"] else []
    allowed = {"other": [""], "mailpit": ["localhost"]}.get(entry["id"], [])
    for host in hosts:
        assert host in allowed or HOST_NAME.fullmatch(host), host
        assert not PLACEHOLDER.search(host), host
    if entry["hosts"]:
        assert entry["hosts"][0]["host"] == entry["host"]  # the usual one comes first
        assert len({each["host"] for each in entry["hosts"]}) == len(entry["hosts"]) > 1


@entries
def test_ports_are_secured_as_their_numbers_say(entry):
    ports = [(each["port"], each["encryption"]) for each in entry["ports"]]
    assert len({port for port, _ in ports}) == len(ports) > 0
    for port, encryption in ports:
        assert 0 < port < 65536
        assert encryption in get_args(providers.EncryptionWord)
        assert encryption == SECURED.get(port, encryption)
        assert (encryption == "none") == (entry["host"] == "localhost")
    if entry["imap"]:
        assert (entry["imap"]["port"], entry["imap"]["encryption"]) == (993, "tls")


@entries
def test_keys_and_machine_words_are_known(entry):
    assert set(entry) == KEYS
    assert entry["kind"] in get_args(providers.Kind)
    assert entry["secret_kind"] in get_args(providers.SecretKind)
    assert entry["oauth2"] in get_args(providers.OAuth2)
    assert (entry["oauth2"] == "required") == (entry["secret_kind"] == "oauth2")
    assert isinstance(entry["strip_blanks"], bool)
    assert all(each.isascii() and each == each.lower() for each in entry["keywords"])
    for key in ("max_connections", "messages_per_connection"):
        assert entry[key] is None or entry[key] > 0
    assert datetime.date.fromisoformat(entry["as_of"]) >= datetime.date(2026, 1, 1)


@entries
def test_every_text_is_there_in_both_languages(entry):
    for place, pair in pairs(entry):
        assert set(pair) == {"en", "vi"}, place
        for text in pair.values():
            assert text == " ".join(text.split()) != "", place
        assert pair["vi"] != pair["en"], place
        assert not VIETNAMESE.search(pair["en"]), place
        if not place.startswith(("name", "hosts")):  # those may be names only
            assert VIETNAMESE.search(pair["vi"]), place
            assert pair["vi"].endswith(".") == pair["en"].endswith("."), place
    for key in set(PAIRED) - {"name"}:  # a plain string is a name
        assert entry[key] is None or isinstance(entry[key], dict), key


@entries
def test_username_and_secret_are_explained(entry):
    assert entry["username_hint"]
    assert entry["secret_hint"]
    assert entry["username_example"] or entry["secret_kind"] == "none"
    if entry["fixed_username"]:
        assert entry["fixed_username"] == entry["username_example"]
        assert all(entry["fixed_username"] in hint for hint in entry["username_hint"].values())
    if entry["secret_kind"] in ("app_password", "api_key", "smtp_credentials"):
        assert entry["secret_url"]
        assert len(entry["steps"]["en"]) >= 2


@entries
def test_links_are_https(entry):
    for url in filter(None, (entry["secret_url"], entry["docs_url"])):
        assert urlsplit(url).scheme == "https"
        assert HOST_NAME.fullmatch(urlsplit(url).hostname)
        assert not re.search(r"[\s<>()…]", url)
    for place, pair in pairs(entry):
        assert urls(pair["en"]) == urls(pair["vi"]), place
        assert all(url.startswith(("https://", "http://localhost:")) for url in urls(pair["en"]))


def test_domains_are_real_and_belong_to_one_provider():
    domains = [domain for entry in RAW for domain in entry["domains"]]
    assert {"gmail.com", "outlook.com", "yahoo.com", "icloud.com", "zoho.com"} < set(domains)
    assert len(domains) == len(set(domains))
    assert all(HOST_NAME.fullmatch(domain.removeprefix(".")) for domain in domains)
    for entry in RAW:
        for host in entry["hosts"]:
            assert set(host.get("domains", ())) <= set(entry["domains"])


def test_the_file_is_packaged():
    root = Path(providers.__file__).parent
    project = tomllib.loads((root.parent / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["mailsetup"]
    assert any(fnmatch(providers.DATA.relative_to(root).as_posix(), each) for each in patterns)


def test_gmail_prefers_587_then_465():
    gmail = providers.get("gmail")
    assert gmail.host == "smtp.gmail.com"
    assert gmail.ports == (Port(587, "starttls"), Port(465, "tls"))
    assert (gmail.imap.host, gmail.imap.port) == ("imap.gmail.com", 993)


@pytest.mark.parametrize("provider_id", ["gmail", "google_workspace"])
def test_google_steps_tell_the_whole_way(provider_id):
    provider = providers.get(provider_id)
    assert provider.secret_url == "https://myaccount.google.com/apppasswords"
    english = " ".join(provider.steps_in("en"))
    for part in ("2-Step Verification", provider.secret_url, "name", "16 letters", "blanks"):
        assert part in english
    vietnamese = " ".join([*provider.steps_in("vi"), provider.text("secret_hint", "vi")]).lower()
    for part in ("xác minh 2 bước", provider.secret_url, "16 chữ cái", "mật khẩu ứng dụng"):
        assert part in vietnamese


@pytest.mark.parametrize("provider_id", ["microsoft365", "outlook_personal"])
def test_microsoft_warns_of_the_end_of_passwords(provider_id):
    warnings = providers.get(provider_id).texts["warnings"]
    assert re.search("off by default (from|.* from) the end of December 2026", warnings["en"])
    assert "mặc định tắt" in warnings["vi"]
    assert "cuối tháng 12 năm 2026" in warnings["vi"]


def test_what_signs_in_and_how_many_connections_are_known():
    assert not providers.get("outlook_personal").password_works
    assert providers.get("microsoft365").password_works
    assert not providers.get("mailpit").needs_login
    assert providers.get("gmail").needs_login
    assert providers.get("microsoft365").max_connections == 3
    assert providers.get("sendgrid").messages_per_connection == 5000
    assert providers.get("gmail").max_connections is None


def test_every_domain_leads_to_its_entry():
    for entry in RAW:
        for domain in entry["domains"]:
            name = f"tenant{domain}" if domain.startswith(".") else domain
            assert providers.for_username(f" Some.One@{name.upper()}. ").id == entry["id"]


@pytest.mark.parametrize("username", ["", "gmail.com", "a@", "a@notgmail.com", "a@mail.gmail.com"])
def test_username_of_no_known_domain_proposes_nothing(username):
    assert providers.for_username(username) is None


@pytest.mark.parametrize(
    ("host", "username", "expected"),
    [
        ("smtp.gmail.com", "", "gmail"),
        (" SMTP.Gmail.com. ", "someone@gmail.com", "gmail"),
        ("smtp.gmail.com", "info@shop.vn", "google_workspace"),
        ("smtp.zoho.eu", "", "zoho"),
        ("email-smtp.eu-west-3.amazonaws.com", "AKIA", "ses"),
        ("smtp.mail.yahoo.com", "someone@gmail.com", "yahoo"),
    ],
)
def test_host_leads_to_its_provider(host, username, expected):
    assert providers.for_host(host, username).id == expected


@pytest.mark.parametrize("host", ["", " ", ".", "smtp.shop.vn", "gmail.com"])
def test_unknown_host_or_id_leads_nowhere(host):
    assert providers.for_host(host) is None
    assert providers.get(host) is None


def test_region_follows_the_username():
    zoho = providers.get("zoho")
    assert zoho.host_for("someone@ZOHO.eu") == "smtp.zoho.eu"
    assert zoho.host_for("info@shop.vn") == zoho.host_for("") == "smtp.zoho.com"


@pytest.mark.parametrize("language", ["vi", "vi-vn", "VI", "vi_VN"])
def test_text_is_vietnamese_when_asked(language):
    gmail = providers.get("gmail")
    assert gmail.text("name", language) == "Gmail (tài khoản cá nhân)"
    assert gmail.steps_in(language) == gmail.steps["vi"]


@pytest.mark.parametrize("language", ["en", "en-gb", "fr", ""])
def test_text_falls_back_to_english(language):
    gmail = providers.get("gmail")
    assert gmail.text("secret_hint", language) == gmail.texts["secret_hint"]["en"]
    assert gmail.text("name", language) == gmail.name == "Gmail (personal account)"


def test_a_text_that_is_not_there_is_empty_and_a_wrong_name_an_error():
    assert providers.get("gmail").text("warnings", "vi") == ""
    assert providers.get("hostinger").steps_in("vi") == ()
    with pytest.raises(ValueError, match="no text 'hint'"):
        providers.get("gmail").text("hint")


def test_json_is_in_one_language():
    assert not VIETNAMESE.search(json.dumps(providers.as_json("en"), ensure_ascii=False))
    vietnamese = json.dumps(providers.as_json("vi"), ensure_ascii=False)
    for entry in RAW:
        for place, pair in pairs(entry):
            assert json.dumps(pair["en"], ensure_ascii=False) not in vietnamese, place


def test_json_has_what_the_page_needs():
    listed = {each["id"]: each for each in providers.as_json("vi-vn")}
    assert list(listed) == [entry["id"] for entry in RAW]
    gmail = listed["gmail"]
    assert gmail["ports"][0] == {"port": 587, "encryption": "starttls"}
    assert (gmail["strip_blanks"], len(gmail["steps"])) == (True, 5)
    region = {"label": "Châu Âu (zoho.eu)", "domains": ["zoho.eu", "zohomail.eu"]}
    assert {"host": "smtp.zoho.eu", **region} in listed["zoho"]["hosts"]
    assert listed["sendgrid"]["fixed_username"] == "apikey"
    assert listed["mailpit"]["needs_login"] is False
    assert listed["outlook_personal"]["password_works"] is False


def test_choices_are_ids_with_names():
    choices = providers.as_choices("vi")
    assert choices[0] == ("gmail", "Gmail (tài khoản cá nhân)")
    assert choices[-1] == ("other", "Máy chủ SMTP khác")
    assert providers.as_choices()[-1] == ("other", "Other SMTP server")


BLANKS = [" ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u202f", "\u3000", "\u200b", "\ufeff"]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_blanks_leave_a_google_app_password(blank):
    pasted = blank.join(["", "abcd", "EFGH", "ijkl", "mnop", "", ""])
    for provider_id in ("gmail", "google_workspace", "google_relay"):
        provider = providers.get(provider_id)
        assert providers.normalize_secret(provider, pasted) == ("abcdEFGHijklmnop", True)


NO_APP_PASSWORDS = [
    *("", "   ", "my pass phrase 1", "abcd efgh ijkl mno", "abcd efgh ijkl mnopq"),
    *("abcd efgh ijkl mno1", "abcd-efgh-ijkl-mnop", "abcd efgh ijkl mnođ", "abcdefghijklmnop"),
]


@pytest.mark.parametrize("secret", NO_APP_PASSWORDS)
def test_what_has_no_blanks_or_is_no_app_password_stays(secret):
    assert providers.normalize_secret(providers.get("gmail"), secret) == (secret, False)


@pytest.mark.parametrize("provider_id", ["yahoo", "other", "sendgrid", "nobody"])
def test_blanks_stay_with_every_other_provider(provider_id):
    secret = "abcd efgh ijkl mnop"
    assert providers.normalize_secret(providers.get(provider_id), secret) == (secret, False)


def test_register_puts_a_provider_on_top():
    local = demo(kind="test", domains=("demo.local",), hosts=(Host(id="a", host="127.0.0.1"),))
    providers.register(local)
    assert providers.all_providers()[0] is providers.get("demo") is local
    assert providers.for_host("127.0.0.1") is providers.for_username("admin@demo.local") is local
    assert providers.as_choices("vi")[0] == ("demo", "Demo server")
    hosts = [{"host": "127.0.0.1", "label": "a", "domains": []}]
    assert providers.as_json("vi")[0]["hosts"] == hosts


@pytest.mark.parametrize(("provider_id", "more"), [("demo", 1), ("gmail", 0)])
def test_register_again_replaces(provider_id, more):
    providers.register(demo(id=provider_id))
    providers.register(demo(id=provider_id, name="Second"))
    assert providers.get(provider_id).name == "Second"
    assert len(providers.all_providers()) == len(RAW) + more


DEMO = {"id": "demo", "name": "Demo", "host": "127.0.0.1", "ports": []}


def write(path, *listed):
    path.write_text(json.dumps({"providers": listed}), encoding="utf-8")
    return path


def test_load_file_registers_its_entries(tmp_path):
    name = {"en": "Demo mail server", "vi": "Máy chủ thư dùng thử"}
    path = write(tmp_path / "more.json", DEMO | {"name": name, "secret_hint": name, "imap": None})
    assert providers.load_file(path) == providers.load_file(str(path)) == (providers.get("demo"),)
    assert providers.get("demo").text("name", "vi") == "Máy chủ thư dùng thử"
    assert providers.get("demo").text("secret_hint") == "Demo mail server"
    assert len(providers.all_providers()) == len(RAW) + 1


@pytest.mark.parametrize(
    "bad", [{"id": "bad"}, DEMO | {"ports": [{"at": 25}]}, DEMO | {"x": 1}, "bad"]
)
def test_load_file_of_another_shape_registers_nothing(tmp_path, bad, registered):
    with pytest.raises(ValueError, match=r"more\.json is no file of providers"):
        providers.load_file(write(tmp_path / "more.json", DEMO, bad))
    assert registered == {}


def test_load_file_that_is_missing_or_no_json_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"more\.json"):
        providers.load_file(tmp_path / "more.json")
    with pytest.raises(ValueError, match="is no file of providers"):
        providers.load_file(__file__)


def test_providers_cannot_be_changed():
    gmail = providers.get("gmail")
    with pytest.raises(dataclasses.FrozenInstanceError):
        gmail.host = "smtp.evil.example"
    with pytest.raises(TypeError):
        gmail.texts["name"]["en"] = "Evil"
    assert len({gmail, providers.get("gmail")}) == 1


def test_file_is_read_on_first_use_only_and_without_django():
    code = (
        "import sys; from mailsetup import providers as p; "
        "assert p._packaged.cache_info().misses == 0; p.get('gmail'); p.get('yahoo'); "
        "assert p._packaged.cache_info().misses == 1; assert 'django' not in sys.modules"
    )
    root = Path(providers.__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)
