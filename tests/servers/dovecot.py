"""Dovecot: mailboxes by IMAP and POP3, and the password check that Postfix asks."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import Certificates
from .process import HOST, Child, free_ports

DOMAIN = "example.test"
# Users and their passwords. The first has blanks, a colon and non-ASCII letters (RFC 4616 sends
# UTF-8); the last is one that smtplib by itself can send too.
USERS = {
    "an": "xin chào: 100%\\",
    "binh": "abcd efgh ijkl mnop",
    "chi": "chi's secret",
    "dung": "app-password",
}
OWNER = "nobody"  # whom the mail files belong to

_CONFIG = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
listen = {host}
protocols = imap pop3
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
auth_mechanisms = plain login
auth_failure_delay = 0
auth_cache_size = 0
first_valid_uid = 1
mail_location = maildir:{directory}/mail/%d/%n
mail_fsync = never
mail_max_userip_connections = 1000
disable_plaintext_auth = yes
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%d/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
# Without its socket there is no penalty: a wrong password would hold up the next logins from this
# address for seconds.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
"""


def dovecot_missing() -> str:
    """Return what is missing to start Dovecot here, or an empty string."""
    if not shutil.which("dovecot"):
        return "Dovecot is not installed (tests/servers/install)"
    return ""


@dataclass
class Dovecot:
    """A running Dovecot; `stop()` ends it."""

    directory: Path
    certificates: Certificates
    imap: int = 0
    imaps: int = 0
    pop3: int = 0
    pop3s: int = 0
    child: Child | None = field(default=None, repr=False)

    @property
    def auth_socket(self) -> Path:
        return self.directory / "run" / "auth-smtp"

    @property
    def mail_directory(self) -> Path:
        return self.directory / "mail"

    def start(self) -> None:
        """Write the configuration and start; ServerError with the log if it does not come up."""
        self.imap, self.imaps, self.pop3, self.pop3s = free_ports(4)
        owner = pwd.getpwnam(OWNER)
        for name in ("run", "state", "mail"):
            (self.directory / name).mkdir()
        # {PLAIN.b64}: a colon in a password would end its field.
        lines = [
            f"{user}@{DOMAIN}:{{PLAIN.b64}}{base64.b64encode(password.encode()).decode()}\n"
            for user, password in USERS.items()
        ]
        (self.directory / "users").write_text("".join(lines))
        os.chown(self.mail_directory, owner.pw_uid, owner.pw_gid)
        config = self.directory / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                directory=self.directory,
                host=HOST,
                certificate=self.certificates.certificate,
                key=self.certificates.key,
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                imap=self.imap,
                imaps=self.imaps,
                pop3=self.pop3,
                pop3s=self.pop3s,
            )
        )
        self.child = Child(
            ["dovecot", "-F", "-c", config],
            ports=(self.imap, self.imaps, self.pop3, self.pop3s),
            log=self.directory / "dovecot.log",
        )
        self.child.__enter__()

    def stop(self) -> None:
        if self.child:
            self.child.stop()
