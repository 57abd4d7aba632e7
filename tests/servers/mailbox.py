"""Reads what arrived, by IMAP and POP3 over verified TLS."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .dovecot import DOMAIN, USERS, Dovecot
from .process import wait_for


@dataclass(frozen=True)
class Mailbox:
    """One user's mailbox at the test Dovecot."""

    dovecot: Dovecot
    user: str

    @property
    def address(self) -> str:
        return f"{self.user}@{DOMAIN}"

    @property
    def password(self) -> str:
        return USERS[self.user]

    @contextlib.contextmanager
    def imap(self) -> Iterator[imaplib.IMAP4_SSL]:
        """Yield a signed-in IMAP connection with the inbox selected."""
        client = imaplib.IMAP4_SSL(
            "localhost",
            self.dovecot.imaps,
            ssl_context=self.dovecot.certificates.context(),
            timeout=30,
        )
        try:
            # Not login(): IMAP's quoted strings are ASCII, the password is not.
            plain = f"\0{self.address}\0{self.password}".encode()
            client.authenticate("PLAIN", lambda _: plain)
            client.select("INBOX")
            yield client
        finally:
            client.logout()

    def fetch_each(self, message_ids: Iterable[str]) -> dict[str, list[bytes]]:
        """Return the raw bytes of all mails with each Message-ID; none if none arrived yet."""
        found = {}
        with self.imap() as client:
            for message_id in message_ids:
                _, numbers = client.search(None, "HEADER", "Message-ID", f'"{message_id}"')
                answers = [
                    client.fetch(number.decode(), "(BODY.PEEK[])") for number in numbers[0].split()
                ]
                found[message_id] = [parts[0][1] for _, parts in answers]
        return found

    def fetch_all(self, message_id: str) -> list[bytes]:
        """Return the raw bytes of each mail with that Message-ID; none if none arrived yet."""
        return self.fetch_each([message_id])[message_id]

    def fetch(self, message_id: str, *, seconds: float = 30) -> bytes:
        """Return the raw bytes of the one mail with that Message-ID, waiting that long for it."""
        wait_for(
            lambda: self.fetch_all(message_id),
            seconds=seconds,
            what=f"{message_id} to arrive at {self.user}",
        )
        (raw,) = self.fetch_all(message_id)
        return raw

    def next_uid(self) -> int:
        """Return the UID that the next mail will have at least (RFC 3501 section 2.3.1.1)."""
        with self.imap() as client:
            _, (status,) = client.status("INBOX", "(UIDNEXT)")
        return int(status.rpartition(b"UIDNEXT ")[2].rstrip(b")"))

    def fetch_since(self, uid: int, *, count: int, seconds: float = 30) -> list[bytes]:
        """Return the raw bytes of the mails from that UID on, waiting until there are so many."""
        wait_for(
            lambda: self.next_uid() >= uid + count,
            seconds=seconds,
            what=f"{count} mails to arrive at {self.user}",
        )
        with self.imap() as client:
            _, found = client.uid("SEARCH", f"UID {uid}:*")
            answers = [
                client.uid("FETCH", number.decode(), "(BODY.PEEK[])") for number in found[0].split()
            ]
        return [parts[0][1] for _, parts in answers]

    def fetch_by_pop3(self, message_id: str) -> bytes | None:
        """Return the raw bytes of the mail with that Message-ID as POP3 gives it, or None."""
        client = poplib.POP3_SSL(
            "localhost",
            self.dovecot.pop3s,
            context=self.dovecot.certificates.context(),
            timeout=30,
        )
        try:
            client.encoding = "utf-8"
            client.user(self.address)
            client.pass_(self.password)
            for number in range(len(client.list()[1]), 0, -1):
                raw = b"\r\n".join([*client.retr(number)[1], b""])
                if message_id.encode() in raw:
                    return raw
        finally:
            client.quit()
        return None
