"""Reads the mails that the demo's server keeps; nothing in a mail is fetched or run."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

KEY = re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}")
HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it arrived."""

    key: str
    source: bytes
    message: EmailMessage

    @property
    def arrived(self) -> datetime:
        """When the server took it."""
        return datetime.strptime(self.key.split("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)

    @property
    def recipients(self) -> list[str]:
        """The envelope's recipients, Bcc among them."""
        return [str(value) for value in self.message.get_all("Delivered-To", [])]

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message["Subject"] or "")

    @property
    def sender(self) -> str:
        """The From line, decoded."""
        return str(self.message["From"] or "")

    @property
    def text(self) -> str | None:
        """The plain text part."""
        return self._body("plain")

    @property
    def html(self) -> str | None:
        """The HTML part, its inline images put into it as data."""
        html = self._body("html")
        if html is None:
            return None
        for part in self.message.walk():
            cid = str(part["Content-ID"] or "").strip("<> ")
            if cid and part.get_content_maintype() == "image":
                data = base64.b64encode(part.get_payload(decode=True) or b"").decode()
                html = html.replace(f"cid:{cid}", f"data:{part.get_content_type()};base64,{data}")
        return html

    @property
    def attachments(self) -> list[tuple[str, int]]:
        """Name and size in bytes of each attachment."""
        return [
            (
                part.get_filename() or part.get_content_type(),
                len(part.get_payload(decode=True) or b""),
            )
            for part in self.message.iter_attachments()
        ]

    def _body(self, kind: str) -> str | None:
        part = self.message.get_body((kind,))
        if part is None:
            return None
        try:
            return str(part.get_content())
        except LookupError:  # an unknown charset
            return bytes(part.get_payload(decode=True) or b"").decode(errors="replace")


def keys(directory: Path) -> list[str]:
    """Return the keys of all mails, the newest first."""
    return sorted((path.stem for path in _files(directory)), reverse=True)


def summary(directory: Path, key: str) -> Mail:
    """Return a mail with its headers only, for a list."""
    with (directory / f"{key}.eml").open("rb") as file:
        return _mail(key, file.read(HEAD_BYTES))


def read(directory: Path, key: str) -> Mail | None:
    """Return a mail, or None where there is none of that key."""
    path = directory / f"{key}.eml"
    if not KEY.fullmatch(key) or not path.exists():
        return None
    return _mail(key, path.read_bytes())


def empty(directory: Path) -> int:
    """Delete all mails and return how many there were."""
    paths = _files(directory)
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.eml") if KEY.fullmatch(path.stem)]


def _mail(key: str, source: bytes) -> Mail:
    message = message_from_bytes(source, policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - what that policy makes
    return Mail(key, source, message)
