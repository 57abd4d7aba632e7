"""What apps use in their tests: mailsetup in force, and every mail at the test's server."""

from __future__ import annotations

import os
import unittest
from datetime import timedelta

import django
import pytest
from django.conf import settings as site
from django.core import mail
from django.core.mail import EmailMessage, get_connection, mail_admins, send_mail
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.utils import timezone

from mailsetup import testing
from mailsetup.exceptions import ProfileNotFoundError
from mailsetup.models import Message, SMTPProfile, State
from mailsetup.smtp.errors import LoginRefusedError, RecipientsRefusedError
from mailsetup.testing import (
    MailsetupTestMixin,
    assert_nothing_sent,
    assert_queued,
    assert_sent,
    deliver_all,
    outbox,
    queued,
    use_mailsetup,
)

pytestmark = [
    # What Django 6.1 says of arguments and settings that it still takes.
    pytest.mark.filterwarnings(r"ignore:The '?\w+'? (argument|setting)|The EMAIL_|get_connection"),
]


def write(to="ann@example.com", subject="Hi"):
    return send_mail(subject, "Text", None, [to])


@pytest.mark.django_db
class TestAtOnce:
    def test_mail_goes_to_the_server_and_not_to_djangos_outbox(self):
        with use_mailsetup() as server:
            assert write() == 1
            (arrived,) = assert_sent(to="ann@example.com", subject="Hi", count=1)
            assert [arrived] == outbox() == server.mails
        assert arrived.username == "mailsetup"
        assert arrived.message["From"] == "site@example.com"
        assert mail.outbox == []

    def test_from_is_the_profiles_as_on_a_site(self):
        assert SMTPProfile().force_from_email
        with use_mailsetup():
            letter().send()
            assert assert_sent()[0].message["From"] == "site@example.com"
        with use_mailsetup(force_from_email=False):
            letter().send()
            assert assert_sent()[0].message["From"] == "ann@example.com"

    def test_after_it_djangos_outbox_serves_again(self):
        with use_mailsetup():
            pass
        write()
        assert [each.subject for each in mail.outbox] == ["Hi"]
        with pytest.raises(RuntimeError, match="not in force"):
            outbox()
        with pytest.raises(RuntimeError, match="not in force"):
            deliver_all()

    def test_stored_profiles_go_to_the_server_too(self):
        stored = SMTPProfile(slug="shop", host="smtp.gmail.com", username="shop@gmail.com")
        stored.set_password("secret")
        stored.save()
        other = SMTPProfile(slug="news", host="smtp.example.org", login="none")
        other.save()
        with use_mailsetup() as server:
            write()
            send_by("news")
        assert len(server.mails) == 2
        assert server.mails[1].username == ""

    def test_account_of_arguments_goes_to_the_server_too(self, settings):
        from mailsetup.backends import EmailBackend

        with use_mailsetup() as server:
            EmailBackend(host="mail.example.org", port=587, use_tls=True).send_messages([letter()])
        assert len(server.mails) == 1

    def test_profile_is_given_by_name_with_its_fields(self):
        with use_mailsetup(profiles=["news-letter"], from_email="news@example.com"):
            send_by("news-letter")
            (arrived,) = assert_sent()
            with pytest.raises(ProfileNotFoundError):
                send_by("another")
        assert arrived.sender == "news@example.com"

    def test_variables_of_the_site_count_less_and_are_there_again(self, monkeypatch):
        monkeypatch.setenv("MAILSETUP_DEFAULT_URL", "smtps://ann:secret@mail.example.org")
        monkeypatch.setenv("MAILSETUP_DEFAULT_PASSWORD_FILE", os.devnull)
        with use_mailsetup():
            write()
            assert assert_sent()[0].username == "mailsetup"
        assert os.environ["MAILSETUP_DEFAULT_PASSWORD_FILE"] == os.devnull
        assert "MAILSETUP_DEFAULT_HOST" not in os.environ

    def test_field_that_does_not_exist_is_told(self):
        with pytest.raises(TypeError, match="no field colour"), use_mailsetup(colour="red"):
            pass

    def test_refusals_raise_as_in_life(self):
        with use_mailsetup() as server:
            server.refuse_recipient("ann@example.com")
            with pytest.raises(RecipientsRefusedError, match="does not exist"):
                write()
        with use_mailsetup() as server:
            server.refuse_login()
            with pytest.raises(LoginRefusedError):
                write()
            assert server.logins == ["mailsetup"]
            assert_nothing_sent()

    def test_one_within_another_has_its_own_server(self):
        with use_mailsetup() as outer:
            with use_mailsetup() as inner:
                write()
            write()
            write()
        assert (len(inner.mails), len(outer.mails)) == (1, 2)

    def test_reports_to_admins_arrive(self):
        with use_mailsetup():
            mail_admins("Trouble", "Text")
            assert_sent(to="ann@example.com")


def letter():
    return EmailMessage("Hi", "Text", "ann@example.com", ["bob@example.com"])


def send_by(profile):
    from mailsetup.backends import EmailBackend

    return EmailBackend(profile=profile).send_messages([letter()])


@pytest.mark.django_db
class TestInTheBackground:
    def test_mail_waits_until_it_is_delivered(self):
        with use_mailsetup(background=True):
            write()
            assert_nothing_sent()
            (row,) = assert_queued(to="ann@example.com", subject="Hi", count=1)
            assert [row] == queued()
            assert deliver_all() == 1
            assert_sent(to="ann@example.com", count=1)
        assert Message.objects.get().state == State.SENT

    def test_greylisted_mail_goes_when_waits_are_skipped(self):
        with use_mailsetup(background=True) as server:
            server.greylist()
            write()
            deliver_all()
            assert_nothing_sent()
            assert deliver_all() == 0
            assert deliver_all(skip_waits=True) == 1
            assert_sent(count=1)

    def test_refused_recipient_fails_the_message(self):
        with use_mailsetup(background=True) as server:
            server.refuse_recipient("ann@example.com")
            write()
            deliver_all()
        assert Message.objects.get().state == State.FAILED

    def test_refused_login_keeps_the_mail_and_asks_twice_at_most(self):
        with use_mailsetup(background=True) as server:
            server.refuse_login()
            write()
            for _ in range(4):
                deliver_all(skip_waits=True)
            assert len(server.logins) == 2
            assert_queued(count=1)

    def test_break_after_the_content_is_ambiguous(self):
        with use_mailsetup(background=True) as server:
            server.break_after_content()
            write()
            deliver_all()
            assert_sent(count=1)
        assert Message.objects.get().state == State.AMBIGUOUS

    def test_time_to_be_sent_at_is_waited_for_unless_skipped(self):
        at = timezone.now() + timedelta(hours=1)
        message = letter()
        message.extra_headers["X-Mailsetup-Send-At"] = at.isoformat()
        with use_mailsetup(background=True):
            message.send()
            assert deliver_all() == 0
            assert deliver_all(skip_waits=True) == 1


@pytest.mark.django_db
class TestAssertions:
    def test_what_is_missing_is_told_with_what_is_there(self):
        with use_mailsetup():
            write("bob@example.com", "Other")
            with pytest.raises(AssertionError) as told:
                assert_sent(to=["ann@example.com"], subject="Hi")
        assert str(told.value) == (
            "Mails to ann@example.com with the subject 'Hi': 0, not at least one. There are:\n"
            "  'Other' to bob@example.com"
        )

    @pytest.mark.parametrize("wrong", [{"count": 2}, {"subject": "x"}, {"to": "x@example.com"}])
    def test_each_condition_counts(self, wrong):
        with use_mailsetup():
            write()
            assert_sent(to="ANN@example.com", subject="Hi", count=1)
            with pytest.raises(AssertionError):
                assert_sent(**{"to": "ann@example.com", "subject": "Hi", "count": 1} | wrong)

    @pytest.mark.parametrize("wrong", [{"count": 2}, {"subject": "x"}, {"to": "x@example.com"}])
    def test_each_condition_counts_in_the_background(self, wrong):
        with use_mailsetup(background=True):
            write()
            assert_queued(to="ANN@example.com", subject="Hi", count=1)
            with pytest.raises(AssertionError):
                assert_queued(**{"to": "ann@example.com", "subject": "Hi", "count": 1} | wrong)

    def test_subject_with_a_code_is_found_in_the_background(self):
        with use_mailsetup(background=True):
            write(subject="Your code is 482913")
            assert_queued(subject="Your code is 482913")

    def test_nothing_sent_notices_both_outboxes(self):
        write()
        with use_mailsetup(), pytest.raises(AssertionError, match=r"'Hi' to ann@example\.com"):
            assert_nothing_sent()
        mail.outbox.clear()
        with use_mailsetup():
            assert_nothing_sent()
            write()
            with pytest.raises(AssertionError, match="any: 1, not 0"):
                assert_nothing_sent()


def run(case):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == 1
    assert not result.errors + result.failures


@pytest.mark.django_db
@pytest.mark.parametrize("base", [TestCase, TransactionTestCase])
def test_mixin_serves_djangos_test_cases(base):
    class OrderTests(MailsetupTestMixin, base):
        mailsetup_options = {"background": True}

        def test_receipt(self):
            write()
            deliver_all()
            assert_sent(count=1)
            assert len(self.mail_server.mails) == 1

    run(OrderTests)


def test_mixin_serves_tests_without_a_database():
    class OrderTests(MailsetupTestMixin, SimpleTestCase):
        def test_receipt(self):
            write()
            assert_sent(count=1)

    run(OrderTests)


@pytest.mark.django_db
@pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")
class TestMailers:
    def test_options_of_the_sites_mailers_are_in_force(self, monkeypatch):
        from django.test.utils import _TestState

        backend = "mailsetup.backends.EmailBackend"
        saved = {
            "default": {"BACKEND": backend},
            "news": {"BACKEND": backend, "OPTIONS": {"profile": "news"}},
            "console": {"BACKEND": "django.core.mail.backends.console.EmailBackend"},
        }
        monkeypatch.setattr(_TestState.saved_data, "mailers", saved)
        with use_mailsetup(profiles=["news"]):
            assert site.MAILERS["news"] == saved["news"]
            assert "console" not in site.MAILERS
            send_mail("Hi", "Text", None, ["bob@example.com"], using="news")
            assert_sent(count=1)

    def test_site_whose_mailers_are_others_gets_one_of_ours(self, monkeypatch):
        from django.test.utils import _TestState

        saved = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
        monkeypatch.setattr(_TestState.saved_data, "mailers", saved)
        with use_mailsetup():
            write()
            assert_sent(count=1)


@pytest.mark.django_db
@pytest.mark.skipif(django.VERSION >= (6, 1), reason="needs Django 5.2 or 6.0")
def test_connection_by_name_is_ours():
    with use_mailsetup():
        get_connection().send_messages([letter()])
        assert_sent(count=1)


def test_all_that_is_promised_is_there():
    assert sorted(testing.__all__) == testing.__all__
    assert all(getattr(testing, name).__doc__ for name in testing.__all__)
