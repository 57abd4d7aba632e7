"""The account: how to reach one SMTP service, and who we are there.

Plain data with no Django and no I/O. It refuses to show its password: not in `repr`, `str`,
`format`, `vars`, a pickle or a debug page.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Never, Self

from .errors import InvalidAccountError, Outcome, Stage

__all__ = ["Account", "Encryption", "Login", "Secret"]


class Encryption(StrEnum):
    """When TLS begins."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Login(StrEnum):
    """How to sign in."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105 - the name of a kind of login


class Secret:
    """Keep a text out of sight until `reveal` is called.

    Args:
        value: the text, or a callable that returns it each time it is needed; it may raise.
    """

    __slots__ = ("_source",)

    def __init__(self, value: str | Callable[[], str] = "") -> None:
        # A closure, because debuggers and debug pages print attributes but not cells.
        self._source: Callable[[], str] = value if callable(value) else lambda: value

    def reveal(self) -> str:
        """Return the text; raise whatever the callable raises."""
        return self._source()

    def __repr__(self) -> str:
        return "Secret(********)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> Never:
        raise TypeError("A Secret cannot be pickled.")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


_NO_SECRET: Final = Secret()
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_EHLO_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[A-Za-z0-9.:]{1,60}\]")
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One SMTP service and one identity there.

    Args:
        host: name or address of the server; international names are encoded on use.
        port: TCP port.
        encryption: TLS from the start, STARTTLS (demanded, never optional), or none.
        login: whether to sign in.
        username: who signs in.
        password: the secret to sign in with, opened once a session.
        verify: check the server's certificate and name. Switch off only if told so.
        ca: PEM text of trust anchors to use beside the system's.
        certfile: path of a client certificate.
        keyfile: path of its key, where not in `certfile`.
        ehlo_name: the name to say in EHLO; "" chooses one without asking the name service.
        timeout: seconds for each step on the network.
        deadline: seconds for one whole call (opening, or sending a batch); None derives it from
            `timeout` and the size of each message.
        key: (profile slug, revision) for the pool; None is never pooled.
        max_connections: connections of this profile at one time, in this process.
        max_messages: messages on one connection before it is replaced.
        in_flight: messages that may be on their way over one connection before the server has
            answered for the first of them; as many may be in doubt at once.
        max_idle: seconds that a connection is kept unused.
        max_age: seconds that a connection is kept at all.
        allow_address: asked with each IP address before it is connected to; False refuses it.
    """

    host: str
    port: int = 587
    encryption: Encryption = Encryption.STARTTLS
    login: Login = Login.PASSWORD
    username: str = ""
    password: Secret = _NO_SECRET
    verify: bool = True
    ca: str = ""
    certfile: str | None = None
    keyfile: str | None = None
    ehlo_name: str = ""
    timeout: float = 15.0
    deadline: float | None = None
    key: Hashable | None = None
    max_connections: int = 3
    max_messages: int = 250
    in_flight: int = 1
    max_idle: float = 30.0
    max_age: float = 300.0
    allow_address: Callable[[str], bool] | None = None

    @property
    def ascii_host(self) -> str:
        """The host as the name service and TLS know it (IDNA)."""
        host = self.host
        if host.isascii():
            return host
        return host.encode("idna").decode("ascii")

    @property
    def final_timeout(self) -> float:
        """Seconds to wait for the reply to a message's content.

        Servers scan a mail before they answer (RFC 5321 section 4.5.3.2.6 grants them ten
        minutes), and giving up there leaves its fate unknown: four times as patient.
        """
        return 4 * self.timeout

    def time_to_open(self) -> float:
        """Seconds that opening a session may take in all."""
        return 3 * self.timeout if self.deadline is None else self.deadline

    def time_to_send(self, size: int, messages: int = 1) -> float:
        """Seconds that messages in one flight may take in all on an open session.

        Args:
            size: octets of all of them.
            messages: how many they are.
        """
        if self.deadline is not None:
            return self.deadline
        return (1 + messages) * self.timeout + self.final_timeout + size / 32_768

    def check(self) -> None:
        """Refuse what must not reach the name service or the wire.

        Raises:
            InvalidAccountError: naming the value, never repeating it.
        """
        wrong = self._wrong()
        if wrong:
            raise InvalidAccountError(
                wrong, stage=Stage.DNS, outcome=Outcome.FIX_PROFILE, port=_port(self.port)
            )

    def _wrong(self) -> str:
        if not self._host_is_sound():
            return "The host is not a host name or an IP address."
        if not 0 < self.port < 65536:
            return "The port is not a number from 1 to 65535."
        if self.ehlo_name and not _EHLO_NAME.fullmatch(self.ehlo_name):
            return "The EHLO name is not a host name or an address literal."
        if _CONTROLS.search(self.username):
            return "The username holds a control character."
        if not self.timeout > 0 or (self.deadline is not None and not self.deadline > 0):
            return "The timeout is not a positive number of seconds."
        return ""

    def _host_is_sound(self) -> bool:
        # isprintable also refuses the invisible characters that IDNA would drop silently.
        if not self.host.isprintable():
            return False
        try:
            host = self.ascii_host
        except UnicodeError:
            return False
        if ":" in host:
            try:
                ipaddress.IPv6Address(host)
            except ValueError:
                return False
        return bool(_HOST.fullmatch(host))


def _port(port: int) -> int:
    return port if 0 < port < 65536 else 0
