"""What other apps need to test their mail: mailsetup in force, with a server of the test.

Django's test runner replaces every mailer by one that keeps mails in memory, and nothing of
mailsetup runs. `use_mailsetup` puts it back, profile, outbox and SMTP included, and has every
account go to a small server on the loopback interface. See ``docs/testing.md``.

It refuses to let a mail leave the computer, and needs nothing that Django does not bring.
"""

from typing import Any

from .outbox import (
    assert_nothing_sent,
    assert_queued,
    assert_sent,
    deliver_all,
    outbox,
    queued,
)
from .server import Mail, MailServer
from .site import use_mailsetup

__all__ = [
    "Mail",
    "MailServer",
    "MailsetupTestMixin",
    "assert_nothing_sent",
    "assert_queued",
    "assert_sent",
    "deliver_all",
    "outbox",
    "queued",
    "use_mailsetup",
]


class MailsetupTestMixin:
    """For a class of Django's test cases: `use_mailsetup` around each test.

    Attributes:
        mailsetup_options: arguments of `use_mailsetup`.
        mail_server: the server of the test.
    """

    mailsetup_options: dict[str, Any] = {}
    mail_server: MailServer

    def setUp(self) -> None:
        """Put mailsetup in force until the test is over."""
        super().setUp()
        self.mail_server = self.enterContext(use_mailsetup(**self.mailsetup_options))
