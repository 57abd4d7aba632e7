"""The one door that Django's mail API uses.

Django makes a new backend for every look-up, so nothing here outlives a call: profiles are kept
by :mod:`mailsetup.effective`, connections by :mod:`mailsetup.smtp.pool`. No query runs before
``open()`` or ``send_messages()``.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.translation import gettext as _

from mailsetup.delivery.addresses import bare_address, envelope_address
from mailsetup.delivery.choose import choose, makes_own_account
from mailsetup.delivery.log.caller import who_asks
from mailsetup.delivery.log.entries import Request
from mailsetup.delivery.options import tell_unknown
from mailsetup.delivery.outbox import wishes
from mailsetup.delivery.outbox.enqueue import enqueue
from mailsetup.delivery.reporting import report
from mailsetup.delivery.send import Settled, send, write_unsent
from mailsetup.effective import Effective, django_settings
from mailsetup.exceptions import InvalidProfileError
from mailsetup.models.profile import DEFAULT_PORTS
from mailsetup.smtp.account import Secret
from mailsetup.smtp.pool import pool
from mailsetup.smtp.session import Session


def _stock_option(name: str) -> property:
    """Make the attribute of Django's SMTP backend for one of its options.

    It tells what the backend was given, then what the chosen account says, then what Django's
    backend would say.
    """

    def read(self: "EmailBackend") -> Any:
        return self._stock_value(name)

    def write(self: "EmailBackend", value: Any) -> None:
        self._given[name] = Secret(value) if name == "password" and value is not None else value
        self._effective = None

    return property(read, write)


class EmailBackend(BaseEmailBackend):
    """Send mail by a profile of mailsetup.

    It stands in for ``django.core.mail.backends.smtp.EmailBackend``: every argument of that one
    is taken, and means an account of its own.

    Args:
        fail_silently: do not raise what goes wrong with the server; it is logged.
        profile: the profile's name; by default the default profile.
        background: leave mails to the outbox, or hand them over at once; by default as the
            profile says.
        host, port, username, password, use_tls, use_ssl, timeout, ssl_keyfile, ssl_certfile: as
            for Django's SMTP backend. ``timeout`` is in seconds. None means "not given".

    Raises:
        ValueError: both ``use_tls`` and ``use_ssl`` are on (``InvalidMailer`` under MAILERS).
    """

    # Looked at by code for Django's backend; a connection of ours is whole or not there.
    _partial_connection = None

    host = _stock_option("host")
    port = _stock_option("port")
    username = _stock_option("username")
    password = _stock_option("password")
    use_tls = _stock_option("use_tls")
    use_ssl = _stock_option("use_ssl")
    timeout = _stock_option("timeout")
    ssl_keyfile = _stock_option("ssl_keyfile")
    ssl_certfile = _stock_option("ssl_certfile")

    def __init__(  # noqa: PLR0917 - Django's signature
        self,
        host: str | None = None,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        use_tls: bool | None = None,
        fail_silently: bool = False,
        use_ssl: bool | None = None,
        timeout: float | None = None,
        ssl_keyfile: str | None = None,
        ssl_certfile: str | None = None,
        *,
        profile: str | None = None,
        background: bool | None = None,
        **kwargs: Any,
    ) -> None:
        secret = None if password is None else Secret(password)
        # The frame of a raise is shown on debug pages, with its variables.
        del password
        tell_unknown(*kwargs)
        super().__init__(**kwargs)
        self.fail_silently = fail_silently
        self.profile = profile
        self.background = background
        self.connection: Session | None = None
        self._effective: Effective | None = None
        self._chosen_now = False
        # Opened by the app, and not in use just now: in the pool, for whoever needs one.
        self._lent = False
        # Whether it is `send_messages` that opens one, and closes it again.
        self._sends = False
        # Why the last connection could not be had.
        self._refusal: OSError | None = None
        self._lock = threading.RLock()
        self._given = {
            "host": host,
            "port": port,
            "username": username,
            "password": secret,
            "use_tls": use_tls,
            "use_ssl": use_ssl,
            "timeout": timeout,
            "ssl_keyfile": ssl_keyfile,
            "ssl_certfile": ssl_certfile,
        }
        if self.use_ssl and self.use_tls:
            self._refuse_both()

    def open(self) -> bool | None:
        """Take a connection that is logged in: a kept one of this process, or a new one.

        Between two calls of `send_messages` others may use it, or apps that open one for each of
        their threads would take all that the profile may have. Where mail goes to the outbox there
        is none to open.

        Returns:
            True where a connection was taken, False where one was open or none is needed, None
            where it failed silently.

        Raises:
            TransportError: the server cannot be reached, or refuses.
            ConfigurationError: no account can be used.
        """
        if self.connection:
            return False
        try:
            effective = self._choose()
            effective.require_usable()
            by_app = not self._sends
            if effective["do_not_send"] or (by_app and self._goes_later(wishes.NONE, effective)):
                return False
            self.connection = pool.borrow(effective.account)
        except OSError as error:
            self._refusal = error
            self._fail(error)
            return None
        if by_app:
            self._lend()
        return True

    def _lend(self) -> None:
        """Let others have the connection until it is needed here again."""
        connection, effective = self.connection, self._effective
        # One without a key is nobody else's.
        if connection is not None and effective is not None and effective.account.key is not None:
            pool.give_back(connection)
            self._lent = True

    def _take_back(self) -> bool | None:
        """Take one of the profile's connections again, most often the same."""
        self.connection, self._lent = None, False
        assert self._effective is not None  # noqa: S101 - it was opened by that
        try:
            self.connection = pool.borrow(self._effective.account)
        except OSError as error:
            self._refusal = error
            self._fail(error)
            return None
        return True

    def close(self) -> None:
        """Give the connection back; never raises because of the server."""
        connection, self.connection = self.connection, None
        is_lent, self._lent = self._lent, False
        if connection is not None and not is_lent:
            pool.give_back(connection)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send messages, or leave them to the outbox; one that fails does not keep the others.

        Args:
            email_messages: the messages; one without recipients is passed over.

        Returns:
            How many were sent or put into the outbox.

        Raises:
            TransportError: the first failure among them, after all were tried.
            ValueError: an address is invalid.
            ConfigurationError: no account can be used, or the outbox takes nothing; nothing was
                sent.
        """
        messages = [message for message in email_messages or () if message.recipients()]
        if not messages:
            return 0
        with self._lock:
            try:
                settled = self._hand_over(messages)
            except OSError as error:
                self._fail(error)
                return 0
        return self._count(settled)

    def prep_address(self, address: str, force_ascii: bool = True) -> str:
        """Return the bare address, as Django's SMTP backend does from 6.0 on.

        Raises:
            ValueError: it is not one valid address.
        """
        if not force_ascii:
            return bare_address(address)
        bare_address(address, force_ascii=True)
        return envelope_address(address).address

    def _hand_over(self, messages: list[EmailMessage]) -> list[Settled]:
        try:
            effective = self._choose()
        except Exception as error:
            self._tell_unsent(messages, None, error)
            raise
        asked = [wishes.read(message) for message in messages]
        later = [
            (message, asks)
            for message, asks in zip(messages, asked, strict=True)
            if self._goes_later(asks, effective)
        ]
        if not later:
            self._chosen_now = self.connection is None
            return self._send(messages)
        effective.require_usable()
        alias = getattr(self, "alias", None) or ""
        stored = enqueue(
            later, effective, requested=self.profile or "", alias=alias, sender=type(self)
        )
        for one in stored:
            if one.error is not None:
                self._tell_unsent([one.message], effective, one.error)
        if len(later) == len(messages):
            return stored
        put_off = {id(message) for message, _asks in later}
        rest = [message for message in messages if id(message) not in put_off]
        return stored + self._send(rest)

    def _goes_later(self, asks: wishes.Wishes, effective: Effective) -> bool:
        """Tell whether a mail is for the outbox: its own header decides, then the mailer."""
        wanted = asks.background
        if wanted is None:
            wanted = True if asks.needs_outbox else self.background
        by_profile = wanted is None and effective["sending"] == "background"
        if effective["do_not_send"] or not (wanted or by_profile):
            return False
        alias = getattr(self, "alias", None)
        if not makes_own_account(self.profile, alias=alias, arguments=self._given):
            return True
        if by_profile:
            return False
        raise InvalidProfileError(
            _(
                "This mailer has a server, username or password of its own: its mails can only be "
                "sent at once. Put the account into a profile to send them in the background."
            )
        )

    def _send(self, messages: list[EmailMessage]) -> list[Settled]:
        self._refusal = None
        is_lent, self._sends = self._lent, True
        try:
            opened = self._take_back() if is_lent else self.open()
        except Exception as error:
            self._tell_unsent(messages, self._effective, error)
            raise
        finally:
            self._chosen_now = self._sends = False
        if opened is None:
            if self._refusal is not None:
                self._tell_unsent(messages, self._effective, self._refusal)
            return []
        # Chosen once, when it was opened: an edit meanwhile is for the next mail. Without a
        # connection it is a profile that does not send.
        effective = self._effective or self._choose()
        try:
            return send(
                messages,
                effective,
                self.connection,
                sender=type(self),
                request=self._request(),
            )
        finally:
            if is_lent:
                self._lend()
            elif opened:
                self.close()

    def _request(self) -> Request:
        return Request(who_asks(), self.profile or "", getattr(self, "alias", None) or "")

    def _tell_unsent(
        self, messages: list[EmailMessage], effective: Effective | None, error: Exception
    ) -> None:
        write_unsent(messages, self._request(), effective, error, sender=type(self))

    def _choose(self) -> Effective:
        if self._chosen_now:
            # For the mails under way, a moment ago.
            self._chosen_now = False
        elif self.connection is None or self._effective is None:
            self._effective = choose(
                self.profile, alias=getattr(self, "alias", None), arguments=self._given
            )
        return self._effective

    def _count(self, settled: list[Settled]) -> int:
        errors = [one.error for one in settled if one.error is not None]
        for error in errors:
            # As with Django's backend, only what the server says can fail silently.
            if not isinstance(error, OSError):
                raise error
        if errors:
            self._fail(errors[0])
        return sum(one.sent for one in settled)

    def _fail(self, error: Exception) -> None:
        if not self.fail_silently:
            raise error
        report(
            logging.ERROR, "A mail could not be sent, and its sender asked for silence: %s", error
        )

    def _stock_value(self, name: str) -> Any:
        given = self._given[name]
        if given is not None:
            return given.reveal() if isinstance(given, Secret) else given
        if self._effective is not None and self._effective.slug:
            return _as_stock(self._effective, name)
        if getattr(self, "alias", None) is None:
            return django_settings.stock_value(name)
        if name == "port":
            return DEFAULT_PORTS[_encryption(self.use_tls, self.use_ssl)]
        return {"use_tls": False, "use_ssl": False}.get(name)

    def _refuse_both(self) -> None:
        alias = getattr(self, "alias", None)
        if alias is None:
            raise ValueError(
                "EMAIL_USE_TLS/EMAIL_USE_SSL are mutually exclusive, so only set "
                "one of those settings to True."
            )
        from django.core.mail import InvalidMailer  # noqa: PLC0415 - new in Django 6.1

        raise InvalidMailer(
            "The 'use_ssl' and 'use_tls' OPTIONS are incompatible. "
            "Set at most one of them to True.",
            alias=alias,
        )


def _encryption(use_tls: Any, use_ssl: Any) -> str:
    if use_ssl:
        return "tls"
    return "starttls" if use_tls else "none"


def _as_stock(effective: Effective, name: str) -> Any:
    """Translate a profile's value into the option of Django's backend that means it."""
    if name == "use_tls":
        return effective["encryption"] == "starttls"
    if name == "use_ssl":
        return effective["encryption"] == "tls"
    if name in {"host", "port", "username", "timeout"}:
        return effective[name]
    # A profile's secret is not handed out.
    return None
