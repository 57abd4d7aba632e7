"""A secret appears in no error page, error mail, log, repr or pickle, however sending fails."""

from __future__ import annotations

import base64
import logging
import pickle
import socket
from urllib.parse import quote

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import RequestFactory
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter

from mailsetup import effective, vault
from mailsetup.backends import EmailBackend
from mailsetup.delivery.testmail import run_test
from mailsetup.models import SMTPProfile
from tests.backend_servers import PASSWORD, USERNAME, store

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:The EMAIL_"),
]


def needles(secret):
    octets = secret.encode()
    plain = f"\0{USERNAME}\0{secret}".encode()
    encoded = [base64.b64encode(some).decode().rstrip("=") for some in (octets, plain)]
    return [secret, quote(secret), repr(secret)[1:-1], octets.hex(), *encoded]


def assert_none_in(text):
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    found = [one for one in NEEDLES if one in text or one.encode().decode("latin-1") in text]
    assert not found


NEEDLES = needles(PASSWORD)


def message(to="bob@example.com"):
    return EmailMessage("Hi", "Text", "ann@example.com", [to])


# Where the secret comes from: each returns a backend.


def by_row(server, settings, monkeypatch):
    store(server)
    return EmailBackend()


def by_environment(server, settings, monkeypatch):
    values = server.settings | {"password": PASSWORD}
    for name, value in values.items():
        monkeypatch.setenv(f"MAILSETUP_DEFAULT_{name.upper()}", str(value))
    return EmailBackend()


def by_url(server, settings, monkeypatch):
    login = f"{quote(USERNAME, safe='')}:{quote(PASSWORD, safe='')}"
    url = f"smtp+starttls://{login}@{server.host}:{server.port}?timeout=10"
    monkeypatch.setenv("MAILSETUP_DEFAULT_URL", url)
    monkeypatch.setenv("MAILSETUP_DEFAULT_CA", server.ca)
    return EmailBackend()


def by_settings(server, settings, monkeypatch):
    options = {"host": server.host, "port": server.port, "use_tls": True, "username": USERNAME}
    options["password"] = PASSWORD
    if django.VERSION >= (6, 1):
        backend = "mailsetup.backends.EmailBackend"
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return mail.mailers.default
    names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
    for name, value in options.items():
        setattr(settings, f"EMAIL_{names.get(name, name.upper())}", value)
    return EmailBackend()


def by_argument(server, settings, monkeypatch):
    return EmailBackend(
        host=server.host,
        port=server.port,
        username=USERNAME,
        password=PASSWORD,
        use_tls=True,
        timeout=10,
    )


SOURCES = [by_row, by_environment, by_url, by_settings, by_argument]


# How it fails: each spoils the server or the profile.


def login_refused(server, monkeypatch):
    server.refuse_login = True


def recipient_refused(server, monkeypatch):
    server.refused = {"bob@example.com": f"550 5.1.1 {PASSWORD} {NEEDLES[-1]}"}


def content_refused(server, monkeypatch):
    server.refuse_content = f"554 5.7.1 {PASSWORD} {NEEDLES[-2]}"


def nobody_there(server, monkeypatch):
    def refuse(self, address):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def connection_cut(server, monkeypatch):
    server.cut = True


FAILURES = [login_refused, recipient_refused, content_refused, nobody_there, connection_cut]


@pytest.fixture
def trusted(server, settings, monkeypatch):
    """Make the test's authority one of the system's: only a profile can name another."""
    import ssl

    from mailsetup.smtp import tls

    real = ssl.create_default_context

    def context(*args, **kwargs):
        made = real(*args, **kwargs)
        made.load_verify_locations(cadata=server.ca)
        return made

    monkeypatch.setattr(ssl, "create_default_context", context)
    for cache in vars(tls).values():
        if hasattr(cache, "cache_clear"):
            cache.cache_clear()
    yield
    for cache in vars(tls).values():
        if hasattr(cache, "cache_clear"):
            cache.cache_clear()


def failed(call):
    """Return the exception that a call ends with, its traceback with it."""
    try:
        call()
    except Exception as error:
        return error
    pytest.fail("It did not fail.")


def shown(error, settings):
    """Return what Django's debug page and its text tell, and what hangs on the exception."""
    settings.DEBUG = True
    request = RequestFactory().get("/order/")
    reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
    texts = [repr(reporter.get_traceback_data()), reporter.get_traceback_text()]
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")]
        error = error.__context__
    return texts


def pages(error, settings):
    """Return the debug page, and the error mail that goes to the admins, with its page."""
    settings.DEBUG = True
    exc_info = (type(error), error, error.__traceback__)
    texts = [ExceptionReporter(RequestFactory().get("/order/"), *exc_info).get_traceback_html()]
    settings.DEBUG = False
    settings.ADMINS = ["ann@example.com"] if django.VERSION >= (6, 0) else [("A", "a@example.com")]
    record = logging.LogRecord("django", 40, "x.py", 1, "Failed: %s", (error,), exc_info)
    locmem(settings)
    AdminEmailHandler(include_html=True).emit(record)
    (sent,) = mail.outbox
    return [*texts, sent.body, sent.alternatives[0][0], logging.Formatter().format(record)]


def locmem(settings):
    backend = "django.core.mail.backends.locmem.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend}}
    else:
        settings.EMAIL_BACKEND = backend


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_of_sending_shows_the_secret(
    server, trusted, settings, monkeypatch, caplog, source, failure
):
    backend = source(server, settings, monkeypatch)
    failure(server, monkeypatch)
    with caplog.at_level(logging.DEBUG):
        error = failed(lambda: backend.send_messages([message()]))
    monkeypatch.undo()
    assert isinstance(error, OSError)
    for text in [*shown(error, settings), caplog.text, repr(vars(backend))]:
        assert_none_in(text)
    if source is by_argument or failure is login_refused:
        for text in pages(error, settings):
            assert_none_in(text)


@pytest.mark.parametrize("source", SOURCES)
def test_an_invalid_address_does_not_show_it(server, trusted, settings, monkeypatch, source):
    backend = source(server, settings, monkeypatch)
    error = failed(lambda: backend.send_messages([message(to="nobody <")]))
    assert isinstance(error, ValueError)
    for text in shown(error, settings):
        assert_none_in(text)


@pytest.mark.parametrize("source", SOURCES)
def test_the_values_in_force_do_not_show_it(server, settings, monkeypatch, source):
    backend = source(server, settings, monkeypatch)
    found = backend._choose()
    for thing in (found, found.account, found.values, found.secret, backend):
        shown = repr(thing) + str(thing) + format(thing) + repr(getattr(thing, "__dict__", ""))
        assert_none_in(shown)
    assert_none_in(repr(effective.snapshot._current))
    with pytest.raises(TypeError):
        pickle.dumps(found)


def another_destination(row, settings):
    SMTPProfile.objects.update(host="localhost")


def another_key(row, settings):
    settings.SECRET_KEY = "another"


def another_profile(row, settings):
    SMTPProfile.objects.update(uuid="00000000-0000-4000-8000-000000000000")


def a_key_that_is_none(row, settings):
    settings.MAILSETUP_KEYS = ["no key"]


@pytest.mark.parametrize(
    "spoil", [another_destination, another_key, another_profile, a_key_that_is_none]
)
def test_a_secret_that_does_not_open_is_not_shown(server, settings, spoil):
    row = store(server)
    spoil(row, settings)
    row.refresh_from_db()
    sealed = row.password_sealed
    for call in (lambda: EmailBackend().send_messages([message()]), row.get_password):
        error = failed(call)
        for text in shown(error, settings):
            assert_none_in(text)
            assert sealed not in str(error)


def test_a_wrong_binding_is_not_shown_by_the_vault(settings):
    token = vault.seal(PASSWORD, bound_to={"host": "a"})
    error = failed(lambda: vault.unseal(token, bound_to={"host": "b"}))
    for text in shown(error, settings):
        assert_none_in(text)


@pytest.mark.parametrize("failure", [None, *FAILURES])
def test_the_test_mail_shows_it_nowhere(server, trusted, monkeypatch, caplog, failure):
    store(server)
    found = effective.resolve()
    if failure is not None:
        failure(server, monkeypatch)
    with caplog.at_level(logging.DEBUG):
        result = run_test(found, to="bob@example.com", html=True, site_name="x", language="en")
    assert result.passed == (failure is None)
    assert_none_in(repr(result) + result.transcript.text() + caplog.text)
    assert_none_in(str(result.error) + result.reply)
    for arrived in server.mails:
        assert_none_in(arrived.content)


def test_the_needles_would_be_found():
    for one in NEEDLES:
        with pytest.raises(AssertionError):
            assert_none_in(f"x{one}x")


def test_a_leak_would_be_seen(settings):
    def leaky():
        local = PASSWORD
        raise ValueError(len(local))

    error = failed(leaky)
    for text in (shown(error, settings)[0], pages(error, settings)[0]):
        with pytest.raises(AssertionError):
            assert_none_in(text)
