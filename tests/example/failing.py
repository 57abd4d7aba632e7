"""Mail backends of a site whose mail does not work, and the way to put one in force."""

import smtplib

import django
from django.core.mail.backends.locmem import EmailBackend as Locmem

from config import settings as site


class Failing(Locmem):
    """Fails, or keeps still about it, as it is asked to."""

    def __init__(self, *args, fail_silently=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.fail_silently = fail_silently

    def send_messages(self, messages):
        try:
            self.fail(messages)
        except OSError:
            if not self.fail_silently:
                raise
            return 0
        return super().send_messages(messages)

    def fail(self, messages):
        raise NotImplementedError


class Down(Failing):
    """No server listens."""

    def fail(self, messages):
        raise ConnectionRefusedError(111, "Connection refused")


class RefusesCustomers(Failing):
    """Takes mail for the shop only."""

    def fail(self, messages):
        recipient = messages[0].to[0]
        if not recipient.startswith("shop@"):
            raise smtplib.SMTPRecipientsRefused({recipient: (550, b"no")})


class Misconfigured(Failing):
    """Raises what mailsetup raises where no account is set up."""

    def fail(self, messages):
        from mailsetup.exceptions import NoProfileError

        raise NoProfileError


def use(settings, backend: type) -> None:
    """Put a backend in force in place of the site's, with the site's options."""
    path = f"{backend.__module__}.{backend.__qualname__}"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {
            alias: mailer | {"BACKEND": path} for alias, mailer in site.MAILERS.items()
        }
    else:
        settings.EMAIL_BACKEND = path
