"""The form of a profile: what it fills in, refuses and locks."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from mailsetup.admin import status
from mailsetup.models import Message, SMTPProfile, State
from tests.admin.conftest import CANARY, errors, messages, text, typed, url


def add(client, **fields):
    data = typed(**({"password": CANARY} | fields))
    return client.post(url("add"), data, follow=True)


@pytest.mark.parametrize(("encryption", "port"), [("tls", 465), ("starttls", 587), ("none", 25)])
def test_port_left_empty_is_that_of_the_encryption(client, encryption, port):
    add(client, encryption=encryption, port="", allow_plaintext=True)
    assert SMTPProfile.objects.get().port == port


def test_port_typed_by_hand_stays(client):
    add(client, encryption="tls", port="2465")
    assert SMTPProfile.objects.get().port == 2465


def test_new_form_has_no_port_that_would_be_taken_for_typed(client):
    form = client.get(url("add")).context["adminform"].form
    assert form["port"].value() is None
    assert form["encryption"].value() == "starttls"
    assert form["verify"].value() is True
    assert form["login"].value() == "password"


def test_provider_without_host_fills_in_its_server(client):
    response = add(client, provider="yahoo", host="", port="", encryption="tls")
    row = SMTPProfile.objects.get()
    assert (row.host, row.port, row.encryption) == ("smtp.mail.yahoo.com", 465, "tls")
    assert any("smtp.mail.yahoo.com" in message for message in messages(response))


def test_username_without_host_fills_in_its_provider(client):
    add(client, host="", port="", username="someone@gmail.com", slug="")
    row = SMTPProfile.objects.get()
    assert (row.provider, row.host, row.slug) == ("gmail", "smtp.gmail.com", "gmail")


def test_known_host_is_given_its_provider(client):
    add(client, host="smtp.gmail.com", provider="")
    # The username is of a domain of one's own.
    assert SMTPProfile.objects.get().provider == "google_workspace"


def test_local_host_is_no_provider(client):
    add(client, host="localhost", provider="")
    assert SMTPProfile.objects.get().provider == ""


def test_host_typed_by_hand_is_not_replaced_by_the_provider(client):
    add(client, provider="gmail", host="mail.example.com")
    assert SMTPProfile.objects.get().host == "mail.example.com"


def test_fixed_username_is_filled_in(client):
    add(client, provider="sendgrid", host="", username="")
    assert SMTPProfile.objects.get().username == "apikey"


def test_button_for_pages_without_script_fills_in_and_saves_nothing(client):
    data = typed(provider="gmail", host="", port="", username="a@gmail.com", _fill="x")
    response = client.post(url("add"), data, follow=True)
    form = response.context["adminform"].form
    assert not SMTPProfile.objects.exists()
    assert (form["host"].value(), form["port"].value()) == ("smtp.gmail.com", 587)
    assert form["username"].value() == "a@gmail.com"
    assert "Nothing is saved yet" in messages(response)[0]


def test_button_without_a_provider_says_what_to_do(client):
    response = client.post(url("add"), typed(_fill="x"), follow=True)
    assert "Choose a provider first" in messages(response)[0]


@pytest.mark.parametrize(
    ("host", "taken", "slug"),
    [
        ("smtp.example.com", [], "example"),
        ("smtp.example.com", ["example"], "example-2"),
        ("192.0.2.1", [], "mail"),
        ("localhost", [], "mail"),
        ("münchen.de", [], "mnchen"),
    ],
)
def test_name_left_empty_is_proposed(client, host, taken, slug):
    for name in taken:
        SMTPProfile.objects.create(slug=name, host="x.example", login="none")
    add(client, host=host, slug="")
    assert SMTPProfile.objects.filter(slug=slug, host=host).exists()


def test_name_that_shares_variables_is_refused(client):
    SMTPProfile.objects.create(slug="a-b", host="x.example", login="none")
    assert "a-b" in errors(add(client, slug="a_b"))["slug"][0]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("host", "smtp://mail.example.com", "mail.example.com"),
        ("host", "mail example", "no blanks"),
        ("host", "mail.example.com:587", "587"),
        ("host", "me@example.com", "e-mail address"),
        ("host", "", "Choose a provider"),
        ("port", "0", "from 1 to 65535"),
        ("port", "70000", "from 1 to 65535"),
        ("port", "-5", "from 1 to 65535"),
        ("port", "smtp", "from 1 to 65535"),
        ("timeout", "0", "from 1 to 300"),
        ("in_flight", "0", "from 1 to 50"),
        ("in_flight", "51", "from 1 to 50"),
        ("in_flight", "many", "from 1 to 50"),
        ("from_email", "nobody", "name@example.com"),
        ("from_email", "Shop <a@example.com>", "name@example.com"),
        ("from_name", "a\x1bb", "control character"),
        ("username", "", "Type the username"),
        ("username", "a\x7fb", "control character"),
        ("ca", "no certificate", "BEGIN CERTIFICATE"),
        ("ehlo_name", "my site", "www.example.com"),
        ("encryption", "none", "can be read on its way"),
        ("password", "", "Type the password"),
        ("password", "a\tb", "control character"),
        ("slug", "My Shop", "Type, for example: my-shop"),
    ],
)
def test_bad_value_gets_an_error_at_its_field(client, field, value, words):
    found = errors(add(client, **{field: value}))
    assert words in " ".join(found[field])
    assert not SMTPProfile.objects.exists()


def test_mails_in_flight_are_shown_and_saved(client, profile):
    page = client.get(url("change", profile.pk))
    tag = re.search(r'<input[^>]* name="in_flight"[^>]*>', page.content.decode())[0]
    assert {'value="1"', 'min="1"', 'max="50"'} <= {*tag.split()}
    assert "Mails in flight: How many mails may be on their way" in text(page)
    client.post(url("change", profile.pk), typed(profile, in_flight="50"))
    profile.refresh_from_db()
    assert profile.in_flight == 50


def test_mail_that_waits_for_the_profile_is_due_once_it_is_saved(client, profile):
    due = timezone.now() + timedelta(minutes=5)
    waiting = {"requested": profile.slug, "background": True, "due_at": due}
    row = Message.objects.create(state=State.QUEUED, reason="It is switched off.", **waiting)
    client.post(url("change", profile.pk), typed(profile, active="on"))
    row.refresh_from_db()
    assert row.due_at < timezone.now()


def test_typed_password_has_to_be_typed_again_after_another_error(client):
    found = errors(add(client, port="0"))
    assert "Enter the password again" in found["password"][0]


def test_missing_password_is_told_together_with_the_other_errors(client, monkeypatch):
    assert set(errors(add(client, host="a b", password=""))) == {"host", "password"}
    assert "password" not in errors(add(client, host="a b", login="none", password=""))
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD", "p")
    assert set(errors(add(client, host="a b", password=""))) == {"host"}


@pytest.mark.parametrize(
    ("values", "sites_sender", "warned"),
    [
        ({"username": "apikey"}, "webmaster@localhost", True),
        ({"username": "a@example.com"}, "webmaster@localhost", False),
        ({"username": "apikey", "from_email": "a@example.com"}, "webmaster@localhost", False),
        ({"username": "apikey"}, "shop@example.com", False),
    ],
)
def test_profile_without_a_senders_address_is_warned_of(
    client, settings, values, sites_sender, warned
):
    settings.DEFAULT_FROM_EMAIL = sites_sender
    said = messages(add(client, **values))
    assert any("Mails go out as webmaster@localhost" in one for one in said) == warned


def test_plain_text_to_this_computer_needs_no_consent(client):
    add(client, host="127.0.0.1", encryption="none", port="1025")
    assert SMTPProfile.objects.exists()


def test_plain_text_elsewhere_needs_consent(client):
    add(client, encryption="none", allow_plaintext=True)
    assert SMTPProfile.objects.exists()


def test_certificate_from_a_file(client, authority):
    pem = authority.cert_pem.bytes()
    add(client, ca_file=SimpleUploadedFile("ca.pem", pem))
    assert SMTPProfile.objects.get().ca.strip() == pem.decode().strip()


def test_certificate_with_comments_in_any_language(client, authority):
    pem = authority.cert_pem.bytes().decode()
    content = f"\ufeff# Chứng chỉ của Mây\n{pem}"
    add(client, ca_file=SimpleUploadedFile("ca.pem", content.encode()))
    assert SMTPProfile.objects.get().ca.startswith("# Chứng chỉ của Mây")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x30\x82\xff", "not a PEM file"),
        (b"hello", "not a certificate"),
        (b"#" * 200_001, "larger than 200 kB"),
    ],
)
def test_file_that_is_no_certificate_is_refused(client, content, words):
    found = errors(add(client, ca_file=SimpleUploadedFile("ca.pem", content)))
    assert words in found["ca_file"][0]


def test_first_profile_becomes_the_default(client):
    assert client.get(url("add")).context["adminform"].form["is_default"].value() is True
    response = add(client, is_default=False)
    assert SMTPProfile.objects.get().is_default
    assert any("default profile" in message for message in messages(response))


def test_unticked_default_says_where_to_tick_it(client, profile):
    SMTPProfile.objects.create(slug="second", host="x.example", login="none")
    page = client.post(url("change", profile.pk), typed(profile, is_default=False), follow=True)
    told = " ".join(messages(page))
    assert "“shop” stays the default profile, as no other one is." in told
    assert "there is no other" not in told


def test_ticking_default_takes_it_from_the_other(client, profile):
    add(client, slug="second", is_default=True)
    assert list(SMTPProfile.objects.filter(is_default=True).values_list("slug", flat=True)) == [
        "second"
    ]


def test_blanks_in_a_google_app_password_are_taken_out_visibly(client):
    response = add(client, provider="gmail", host="", password="abcd efgh\u00a0ijkl mnop")
    row = SMTPProfile.objects.get()
    assert row.get_password() == "abcdefghijklmnop"
    assert any("blanks" in message for message in messages(response))


def test_blanks_in_any_other_password_stay(client):
    add(client, password=" abcd efgh ijkl mnop ")
    assert SMTPProfile.objects.get().get_password() == " abcd efgh ijkl mnop "


# -- Fields that a variable sets.


@pytest.fixture
def variables(monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_HOST", "mail.environment.example")
    monkeypatch.setenv("MAILSETUP_SHOP_VERIFY", "false")
    monkeypatch.setenv("MAILSETUP_DEFAULT_TIMEOUT", "33")
    monkeypatch.setenv("MAILSETUP_SHOP_IN_FLIGHT", "20")


def test_locked_field_is_read_only_and_names_its_variable(client, profile, variables):
    response = client.get(url("change", profile.pk))
    form = response.context["adminform"].form
    assert form.fields["host"].disabled
    assert form["host"].value() == "mail.environment.example"
    assert form["verify"].value() is False
    assert form.fields["timeout"].disabled
    assert form.fields["in_flight"].disabled
    assert form["in_flight"].value() == 20
    assert "MAILSETUP_SHOP_IN_FLIGHT" in text(response)
    for name in ("MAILSETUP_SHOP_HOST", "MAILSETUP_SHOP_VERIFY", "MAILSETUP_DEFAULT_TIMEOUT"):
        assert name in text(response)


def test_locked_field_cannot_be_changed_and_the_row_keeps_its_own(client, profile, variables):
    data = typed(profile, host="evil.example", in_flight="50", password=CANARY)
    client.post(url("change", profile.pk), data)
    profile.refresh_from_db()
    assert (profile.host, profile.verify, profile.timeout) == ("mail.example.com", True, 15)
    assert profile.in_flight == 1


def test_password_is_sealed_for_the_destination_in_force(client, profile, variables):
    client.post(url("change", profile.pk), typed(profile, password="new"))
    profile.refresh_from_db()
    wanted = profile.destination()._replace(host="mail.environment.example", verify=False)
    assert profile.get_password(wanted) == "new"


def test_locked_password_is_neither_asked_for_nor_shown(client, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD", CANARY)
    page = client.get(url("add"))
    assert page.context["adminform"].form.fields["password"].disabled
    assert "MAILSETUP_DEFAULT_PASSWORD" in text(page)
    assert CANARY not in page.content.decode()
    client.post(url("add"), typed(password="typed all the same"))
    assert SMTPProfile.objects.get().password_sealed == ""


def test_new_default_profile_may_leave_what_the_variables_give(client, monkeypatch):
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", "smtps://u:p@mail.environment.example")
    data = typed(slug="shop")
    for name in ("host", "port", "encryption", "login", "username", "password"):
        del data[name]
    response = client.post(url("add"), data, follow=True)
    assert SMTPProfile.objects.get().host == "", errors(response)


def test_variable_that_cannot_be_used_is_told_without_its_value(client, profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_PORT", CANARY)
    for page in (url("change", profile.pk), url("changelist"), url("test")):
        response = client.get(page)
        assert "MAILSETUP_SHOP_PORT" in text(response)
        assert CANARY not in response.content.decode()


def test_values_in_force_show_a_choice_by_its_label(profile):
    shown = {row.label: row.text for row in status.rows(status.in_force(profile))}
    with_choices = [field for field in SMTPProfile._meta.fields if field.choices]
    assert len(with_choices) >= 2
    for field in with_choices:
        label = shown[field.verbose_name]
        assert label
        assert label != field.value_from_object(profile), field.name


def test_values_in_force_tell_their_origins(client, profile, variables):
    page = text(client.get(url("change", profile.pk)))
    assert "SMTP host mail.environment.example environment MAILSETUP_SHOP_HOST" in page
    assert "Username shop@example.com database" in page
    assert "Password set, never shown database" in page
    assert "Mails in flight 20 environment MAILSETUP_SHOP_IN_FLIGHT" in page


def test_locked_certificate_locks_its_file_too(client, profile, authority, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_CA", authority.cert_pem.bytes().decode())
    form = client.get(url("change", profile.pk)).context["adminform"].form
    assert form.fields["ca"].disabled
    assert form.fields["ca_file"].disabled


def test_locked_host_is_not_filled_in_by_a_provider(client, profile, variables):
    data = typed(profile, provider="gmail", _fill="x")
    response = client.post(url("change", profile.pk), data, follow=True)
    form = response.context["adminform"].form
    assert form["host"].value() == "mail.environment.example"
    profile.refresh_from_db()
    assert profile.host == "mail.example.com"


def test_field_unlocked_by_the_same_edit_keeps_the_rows_value(client, profile, variables):
    """Renamed, the profile leaves the variables that the page still showed as locked."""
    data = typed(profile, slug="renamed", password=CANARY)
    del data["host"], data["verify"]
    assert client.post(url("change", profile.pk), data).status_code == 302
    profile.refresh_from_db()
    assert (profile.slug, profile.host, profile.verify) == ("renamed", "mail.example.com", True)
    assert profile.get_password(profile.destination()) == CANARY


def test_provider_that_needs_no_login_fills_that_in(client):
    data = typed(provider="mailpit", host="", username="", _fill="x")
    form = client.post(url("add"), data, follow=True).context["adminform"].form
    assert form["login"].value() == "none"


def test_name_of_another_profile_is_refused_by_a_sentence_of_ours(client, profile):
    found = errors(add(client, slug="shop"))
    assert found["slug"] == ["Another profile has this name already. Choose another name."]
