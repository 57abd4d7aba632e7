"""Postfix: what a site's mail account usually talks to.

Every port leads to the same mailboxes; they differ in how a client gets in and what is on offer.
Nothing leaves the machine: a recipient outside the test domains is refused, none is looked up in
the DNS.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import Certificates
from .dovecot import DOMAIN, OWNER, USERS, Dovecot
from .process import HOST, Child, free_ports, wait_for

SINK = "sink.test"  # every recipient is accepted there and the mail thrown away
INTERNATIONAL = "thư.example.test"  # an alias of DOMAIN that needs IDNA
INTERNATIONAL_ASCII = INTERNATIONAL.encode("idna").decode()
ALIASES = {"nguyễn": "an", "webmaster": "binh"}  # the first needs SMTPUTF8

_TLS = ("smtpd_tls_security_level=encrypt",)
_WRAPPED = ("smtpd_tls_wrappermode=yes",)
_LOGIN = (
    "smtpd_sasl_auth_enable=yes",
    "smtpd_tls_auth_only=yes",
    "smtpd_client_restrictions=permit_sasl_authenticated,reject",
)
_NO_CHUNKING = ("smtpd_discard_ehlo_keywords=chunking",)
_BARE = ("smtpd_discard_ehlo_keywords=chunking,pipelining,8bitmime,smtputf8,size",)

SERVICES: dict[str, tuple[str, ...]] = {
    "submission": (*_TLS, *_LOGIN),
    "submission_no_chunking": (*_TLS, *_LOGIN, *_NO_CHUNKING),
    "smtps": (*_WRAPPED, *_LOGIN),
    "smtps_no_chunking": (*_WRAPPED, *_LOGIN, *_NO_CHUNKING),
    "plain": (),
    "plain_no_chunking": _NO_CHUNKING,
    "plain_bare": _BARE,
}

_MAIN = """
compatibility_level = 3.6
config_directory = {directory}/etc
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/postfix.log
maillog_file_prefixes = {directory}
myhostname = localhost.localdomain
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = {host}
inet_protocols = ipv4
default_transport = error:5.4.4 this test server hands no mail on
relay_transport = error:5.4.4 this test server hands no mail on
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks,permit_sasl_authenticated,reject
smtpd_recipient_restrictions =
  check_recipient_access inline:{{{{ slow@{domain} = 450 4.2.1 try later }}}}
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = none
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth_socket}
smtputf8_enable = yes
smtputf8_autodetect_classes = all
message_size_limit = 40000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = texthash:{directory}/etc/mailboxes
virtual_alias_domains = {international}
virtual_alias_maps = texthash:{directory}/etc/aliases
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = inline:{{ {sink}=discard: }}
relay_domains = {sink}
alias_maps =
alias_database =
biff = no
notify_classes =
default_process_limit = 100
"""

_MASTER = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

# Directory of the queue, owner, mode: what `postfix check` would make.
_QUEUE = (
    *((name, "postfix", 0o700) for name in (
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
        "private", "saved", "trace",
    )),
    ("maildrop", "postfix", 0o730),
    ("public", "postfix", 0o710),
    ("pid", "root", 0o755),
)  # fmt: skip


def postfix_missing() -> str:
    """Return what is missing to start Postfix here, or an empty string."""
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    if not shutil.which("postconf", path="/usr/sbin:/usr/bin"):
        return "Postfix is not installed (tests/servers/install)"
    return ""


@dataclass
class Postfix:
    """A running Postfix; `ports` maps the names of SERVICES to port numbers."""

    directory: Path
    certificates: Certificates
    dovecot: Dovecot
    ports: dict[str, int] = field(default_factory=dict)
    child: Child | None = field(default=None, repr=False)

    def start(self) -> None:
        """Write the configuration and start; ServerError with the log if it does not come up."""
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        etc = self.directory / "etc"
        etc.mkdir()
        (etc / "main.cf").write_text(self._main())
        (etc / "master.cf").write_text(_MASTER + "".join(self._services()))
        (etc / "mailboxes").write_text(
            "".join(f"{user}@{DOMAIN} {DOMAIN}/{user}/\n" for user in USERS)
        )
        aliases = [f"{alias}@{DOMAIN} {user}@{DOMAIN}\n" for alias, user in ALIASES.items()]
        aliases += [f"{user}@{INTERNATIONAL_ASCII} {user}@{DOMAIN}\n" for user in USERS]
        aliases += [f"{user}@{INTERNATIONAL} {user}@{DOMAIN}\n" for user in USERS]
        (etc / "aliases").write_text("".join(aliases))
        self._make_queue()
        daemons = subprocess.run(
            ["postconf", "-dh", "daemon_directory"], check=True, capture_output=True, text=True
        ).stdout.strip()
        self.child = Child(
            [Path(daemons) / "master", "-c", etc, "-d"],
            ports=self.ports.values(),
            log=self.directory / "postfix.log",
        )
        self.child.__enter__()

    def stop(self) -> None:
        if self.child:
            self.child.stop()

    def _main(self) -> str:
        owner = pwd.getpwnam(OWNER)
        return _MAIN.format(
            directory=self.directory,
            host=HOST,
            domain=DOMAIN,
            sink=SINK,
            international=f"{INTERNATIONAL_ASCII}, {INTERNATIONAL}",
            certificate=self.certificates.certificate,
            key=self.certificates.key,
            auth_socket=self.dovecot.auth_socket,
            mail=self.dovecot.mail_directory,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
        )

    def _services(self) -> list[str]:
        return [
            f"{HOST}:{self.ports[name]} inet n - n - - smtpd\n"
            + "".join(f"  -o {{{option}}}\n" for option in options)
            for name, options in SERVICES.items()
        ]

    def _make_queue(self) -> None:
        queue, data = self.directory / "queue", self.directory / "data"
        queue.mkdir()
        data.mkdir()
        shutil.chown(data, "postfix")
        for name, owner, mode in _QUEUE:
            (queue / name).mkdir()
            shutil.chown(queue / name, owner, "postdrop" if mode in (0o730, 0o710) else None)
            (queue / name).chmod(mode)

    def log(self) -> str:
        """Return the mail log."""
        return self.child.log()

    def queued(self) -> int:
        """Return how many messages wait in the queue."""
        queue = self.directory / "queue"
        names = ("incoming", "active", "deferred")
        return sum(len(files) for name in names for _, _, files in os.walk(queue / name))

    def wait_until_delivered(self, seconds: float = 60) -> None:
        """Return when the queue is empty; AssertionError after that many seconds."""
        wait_for(lambda: self.queued() == 0, seconds=seconds, what="Postfix's queue to run empty")
