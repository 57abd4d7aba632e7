"""Errors that are about the site's set-up, before any server is asked.

Errors of the conversation with a server are in :mod:`mailsetup.smtp.errors`. Each error here is
an ``SMTPException`` too, so that code which catches what Django's SMTP backend raises catches it,
and an ``ImproperlyConfigured``, because that is what it is.
"""

import smtplib

from django.core.exceptions import ImproperlyConfigured


class ConfigurationError(smtplib.SMTPException, ImproperlyConfigured):
    """The site has no usable way to send this mail; ``str()`` says what to do about it."""


class NoProfileError(ConfigurationError):
    """There is no profile, no MAILSETUP_DEFAULT_… variable and no EMAIL_HOST setting."""


class ProfileNotFoundError(ConfigurationError):
    """The profile that OPTIONS["profile"] names does not exist."""


class ProfileInactiveError(ConfigurationError):
    """The profile is switched off."""


class InvalidProfileError(ConfigurationError):
    """A value of the profile, in the database or in a variable, cannot be used."""


class SecretUnavailableError(ConfigurationError):
    """The stored password cannot be opened with today's keys or for today's destination.

    Attributes:
        changed: names of the destination's parts that differ from when the password was entered;
            empty where no key opens it.
    """

    def __init__(self, message: str = "Enter the password again.", *, changed=()) -> None:
        super().__init__(message)
        self.changed = tuple(changed)


class OutboxUnavailableError(ConfigurationError):
    """The mail could not be put into the outbox; it was neither kept nor sent."""


class ContentUnavailableError(ConfigurationError):
    """The stored content of a message is missing or cannot be opened."""


class SettingsUnavailableError(ConfigurationError):
    """The profiles cannot be read from the database and none is in memory."""
