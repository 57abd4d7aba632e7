"""The demo as a process, set back to its beginning for each test."""

import re
import sqlite3
import sys
from pathlib import Path

from tests.browser.wire import Wire
from tests.example.browser import Browser
from tests.example.test_demo import ANY_PORT, Demo

PROFILES = "admin/mailsetup/smtpprofile/"
ADD = f"{PROFILES}add/"
TEST = f"{PROFILES}test/"
INBOX = "demo/inbox/"


class Site:
    """A running demo behind a wire that listens.

    Args:
        directory: keeps the demo's data.
        arguments: of the demo's command.
        variables: environment variables of the demo.
    """

    def __init__(
        self, directory: Path, *arguments: str, demo: type[Demo] = Demo, **variables: str
    ) -> None:
        self.directory = directory
        self.demo = demo(directory, *(arguments or ANY_PORT), **variables)
        try:
            self.demo.wait()
            self.wire = Wire(self.demo.ports[0])
        except BaseException:
            self.demo.__exit__(*sys.exc_info())
            raise
        self.url = f"http://127.0.0.1:{self.wire.port}/"
        self.admin_password, self.password = self.demo.passwords
        self.username = self.demo.said(r"username +(\S+)")
        self.starttls_port, self.tls_port = map(str, self.demo.ports[1:])
        # What must never come down the wire.
        self.secrets = [self.password, self.admin_password]
        self._clerk = Browser(self.url)
        self._clerk.open("sign-in/")
        self._clerk.send("sign-in/", username="admin", password=self.admin_password)

    @property
    def cookies(self) -> list[dict[str, str]]:
        """What a browser needs to be signed in as the administrator."""
        return [
            {"name": each.name, "value": each.value or "", "url": self.url}
            for each in self._clerk.cookies
        ]

    def rows(self, statement: str, *values: object) -> list[tuple]:
        """Ask the demo's database, from outside."""
        database = sqlite3.connect(self.directory / "db.sqlite3", timeout=20)
        try:
            with database:
                return database.execute(statement, values).fetchall()
        finally:
            database.close()

    def clear(self) -> None:
        """Make the demo as it was at first: no profile, no mail, no test counted."""
        for (pk,) in self.rows("SELECT id FROM mailsetup_smtpprofile"):
            # By the site itself, so that it closes the connections that it keeps.
            self._clerk.open(f"{PROFILES}{pk}/delete/")
            self._clerk.send(f"{PROFILES}{pk}/delete/", post="yes")
        for table in ("profilestate", "attempt", "message"):
            self.rows(f"DELETE FROM mailsetup_{table}")
        self.rows("DELETE FROM django_admin_log")
        for (pk,) in self.rows("SELECT id FROM auth_user WHERE username <> 'admin'"):
            self.rows("DELETE FROM auth_user_user_permissions WHERE user_id = ?", pk)
            self.rows("DELETE FROM auth_user WHERE id = ?", pk)
        for mail in self.mails():
            mail.unlink()
        self.secrets = [self.password, self.admin_password]
        self.wire.forget()

    def employ(self, username: str, *permissions: str) -> None:
        """Add somebody to the staff, with the administrator's password.

        Args:
            username: the new user's name.
            permissions: what the user may do, by codename.
        """
        self.rows(
            "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email,"
            " is_staff, is_active, date_joined) SELECT ?, password, 0, '', '', '', 1, 1,"
            " date_joined FROM auth_user WHERE username = 'admin'",
            username,
        )
        for permission in permissions:
            self.rows(
                "INSERT INTO auth_user_user_permissions (user_id, permission_id)"
                " SELECT u.id, p.id FROM auth_user u, auth_permission p"
                " WHERE u.username = ? AND p.codename = ?",
                username,
                permission,
            )

    def mails(self) -> list[Path]:
        """The mails that the demo's server took."""
        return sorted((self.directory / "mails").glob("*.eml"))

    def stop(self) -> None:
        self.wire.stop()
        try:
            assert self.demo.end() == 0, self.demo.output
            failed = re.findall(r"Internal Server Error: (\S+)", self.demo.output)
            # One button of the site fails on purpose.
            assert set(failed) <= {"/raise-error/"}, self.demo.output
        finally:
            self.demo.__exit__()
