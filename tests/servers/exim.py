"""Exim: the other mail server of the Debian world, with its own reading of the RFCs."""

from __future__ import annotations

import email
import hashlib
import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import Certificates
from .dovecot import DOMAIN, USERS
from .process import HOST, Child, free_ports, wait_for

EXIM = Path(__file__).parents[2] / ".cache/exim/usr/sbin/exim4"
OWNER = "Debian-exim"
USER = "an"

_CONFIG = r"""
daemon_smtp_ports = {plain} : {tls} : {brief}
local_interfaces = {host}
tls_on_connect_ports =
keep_environment =
exim_user = {owner}
exim_group = {owner}
never_users =
deliver_drop_privilege = true
spool_directory = {directory}/spool
log_file_path = {directory}/log/%slog
pid_file_path = {directory}/exim.pid
primary_hostname = localhost.localdomain
qualify_domain = {domain}
host_lookup =
rfc1413_hosts =
smtp_accept_max = 200
smtp_accept_max_per_connection = ${{if eq{{$received_port}}{{{brief}}}{{4}}{{10000}}}}
smtp_accept_queue_per_connection = 0
message_size_limit = 40M
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
accept_8bitmime = true
prdr_enable = false
tls_advertise_hosts = ${{if eq{{$received_port}}{{{tls}}}{{*}}{{}}}}
tls_certificate = {certificate}
tls_privatekey = {key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_mail = accept
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
freeze_tell =
ignore_bounce_errors_after = 0s
bounce_return_size_limit = 0

begin acl
acl_rcpt:
  deny domains = !{domain}
       message = relay not permitted
  deny local_parts = !{user}
       message = Unknown user
  require condition = ${{if or{{{{!eq{{$received_port}}{{{tls}}}}}{{def:authenticated_id}}}}}}
          message = log in first
  accept

begin routers
box:
  driver = accept
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {directory}/mail
  maildir_format = true
  create_directory
  use_crlf
  return_path_add
  user = {owner}
  group = {owner}

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}@{domain}}}}}\
                               {{eq{{${{sha256:$auth3}}}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


def exim_missing() -> str:
    """Return what is missing to start Exim here, or an empty string."""
    if os.geteuid() != 0:
        return "Exim starts as root only"
    if not EXIM.exists():
        return "Exim is not unpacked (tests/servers/install)"
    return ""


@dataclass
class Exim:
    """A running Exim: `plain` takes mail for USER from anyone, `tls` by STARTTLS and login.

    `brief` is as `plain`, and takes four messages over a connection.
    """

    directory: Path
    certificates: Certificates
    plain: int = 0
    tls: int = 0
    brief: int = 0
    child: Child | None = field(default=None, repr=False)

    def start(self) -> None:
        """Write the configuration and start; ServerError with the log if it does not come up."""
        self.plain, self.tls, self.brief = free_ports(3)
        owner = pwd.getpwnam(OWNER)
        for name in ("spool", "log", "mail"):
            (self.directory / name).mkdir()
            os.chown(self.directory / name, owner.pw_uid, owner.pw_gid)
        config = self.directory / "exim.conf"
        config.write_text(
            _CONFIG.format(
                directory=self.directory,
                host=HOST,
                owner=OWNER,
                domain=DOMAIN,
                user=USER,
                password=hashlib.sha256(USERS[USER].encode()).hexdigest().upper(),
                plain=self.plain,
                tls=self.tls,
                brief=self.brief,
                certificate=self.certificates.certificate,
                key=self.certificates.key,
            )
        )
        config.chmod(0o644)
        self.child = Child(
            [EXIM, "-C", config, "-bdf", "-q1m"],
            ports=(self.plain, self.tls, self.brief),
            log=self.directory / "exim.log",
        )
        self.child.__enter__()

    def stop(self) -> None:
        if self.child:
            self.child.stop()

    def log(self) -> str:
        """Return the start-up output and the logs."""
        logs = sorted((self.directory / "log").iterdir())
        return self.child.log() + "".join(log.read_text(errors="replace") for log in logs)

    def wait_until_delivered(self, seconds: float = 60) -> None:
        """Return when the spool is empty; AssertionError after that many seconds."""
        spool = self.directory / "spool/input"
        wait_for(
            lambda: not any(files for _, _, files in os.walk(spool)),
            seconds=seconds,
            what="Exim's spool to run empty",
        )

    def fetch_each(self, message_ids: Iterable[str]) -> dict[str, list[bytes]]:
        """Return the raw bytes of all delivered mails with each Message-ID."""
        found: dict[str, list[bytes]] = {message_id: [] for message_id in message_ids}
        box = self.directory / "mail"
        for file in (file for name in ("new", "cur") for file in (box / name).glob("*")):
            raw = file.read_bytes()
            message_id = email.message_from_bytes(raw.partition(b"\r\n\r\n")[0])["Message-ID"]
            if message_id in found:
                found[message_id].append(raw)
        return found

    def fetch_all(self, message_id: str) -> list[bytes]:
        """Return the raw bytes of each delivered mail with that Message-ID."""
        return self.fetch_each([message_id])[message_id]
