"""The content of a message: frozen once, sealed, kept, and made ready for each attempt.

What is frozen is the mail as the app wrote it, its Message-ID fixed. The headers that a profile
rewrites, From and Reply-To, are written when it is sent, by the profile that serves then. Small
contents stand in the message's row, so that a rollback takes them along and no disk need be
shared; larger ones in a file storage.
"""

import email.policy
import logging
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from mailsetup import conf, vault
from mailsetup.delivery import compose
from mailsetup.delivery.addresses import envelope_address, mailbox
from mailsetup.effective import Effective
from mailsetup.exceptions import ContentUnavailableError, SecretUnavailableError
from mailsetup.models import Message
from mailsetup.smtp.session import Envelope

logger = logging.getLogger("mailsetup")

FOLDER = "mailsetup-content"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A mail as the app wrote it.

    Attributes:
        content: headers and body, CRLF line ends, no Bcc.
        recipe: what an attempt needs besides: the From and envelope sender that the app gave,
            whether it named a Reply-To, whether an address needs SMTPUTF8.
        message_id: its Message-ID.
        recipients: the bare addresses that get it.
    """

    content: bytes
    recipe: dict[str, Any]
    message_id: str
    recipients: list[str]


def freeze(message: EmailMessage, effective: Effective) -> Frozen:
    """Fix the content of a message.

    Args:
        message: as the app handed it over; it is not changed.
        effective: the profile; only the domain of a new Message-ID comes from it.

    Raises:
        ValueError: an address is invalid.
        BadHeaderError, TypeError, …: whatever the message's own ``message()`` raises.
    """
    prepared, given = compose.prepare(message)
    if not given.message_id:
        origin = compose.identity(given.header, effective.sender_rules).sender
        prepared.extra_headers["Message-ID"] = given.message_id = compose.new_message_id(origin)
    addresses = [envelope_address(address) for address in message.recipients()]
    utf8 = [
        entry for entry in (envelope_address(str(message.from_email)), *addresses) if entry.smtputf8
    ]
    return Frozen(
        content=compose.serialise(prepared, smtputf8=utf8),
        recipe={
            "from": given.header,
            "sender": given.sender,
            "reply_to": given.has_reply_to,
            "utf8": bool(utf8),
        },
        message_id=given.message_id,
        recipients=list(dict.fromkeys(entry.address for entry in addresses)),
    )


def thaw(row: Message, effective: Effective) -> Envelope:
    """Return the envelope of a stored message for one attempt by one profile.

    Raises:
        ContentUnavailableError: the content is missing or cannot be opened, or the row names no
            recipients.
        ValueError: the profile's sender is no valid address.
    """
    content, recipe, recipients = read(row), row.recipe, row.left
    if not recipients or not all(isinstance(address, str) for address in recipients):
        raise ContentUnavailableError(_("The recipients of this mail are missing."))
    identity = compose.identity(recipe["from"], effective.sender_rules)
    envelope_from = compose.sender(recipe["sender"], effective.sender_rules)
    sender = envelope_address(effective["return_path"] or envelope_from)
    changes = []
    if identity.sender != recipe["from"]:
        changes.append(("From", identity.sender))
    if not recipe["reply_to"] and identity.reply_to:
        changes.append(("Reply-To", ", ".join(identity.reply_to)))
    utf8 = recipe["utf8"] or sender.smtputf8
    if changes:
        content = with_headers(content, changes, smtputf8=utf8)
    return Envelope(sender.address, tuple(recipients), content, smtputf8=utf8)


def as_given(
    envelope: Envelope, given: compose.Given, effective: Effective
) -> tuple[bytes, dict[str, Any]]:
    """Return the content of a mail that a profile sent as the app wrote it, and its recipe.

    Args:
        envelope: what was sent.
        given: what the app said.
        effective: the profile.
    """
    identity = compose.identity(given.header, effective.sender_rules)
    changes = []
    if identity.sender != given.header:
        changes.append(("From", given.header))
    if not given.has_reply_to and identity.reply_to:
        changes.append(("Reply-To", ""))
    content = envelope.content
    if changes:
        content = with_headers(content, changes, smtputf8=envelope.smtputf8)
    recipe = {
        "from": given.header,
        "sender": given.sender,
        "reply_to": given.has_reply_to,
        "utf8": envelope.smtputf8,
    }
    return content, recipe


def with_headers(content: bytes, changes: list[tuple[str, str]], *, smtputf8: bool) -> bytes:
    """Return a content with headers put in the place of those of the same name.

    Args:
        content: headers and body, CRLF line ends.
        changes: names and values; an address header's value may hold any letters. An empty value
            takes the header out.
        smtputf8: whether headers may hold UTF-8.
    """
    head, blank, body = content.partition(b"\r\n\r\n")
    names = {name.lower().encode() + b":" for name, _value in changes}
    kept: list[bytes] = []
    skipping = False
    for line in head.split(b"\r\n"):
        if line[:1] not in {b" ", b"\t"}:
            skipping = line.partition(b":")[0].lower() + b":" in names
        if not skipping:
            kept.append(line)
    policy = email.policy.SMTPUTF8 if smtputf8 else email.policy.SMTP
    new = [_header(name, value, policy) for name, value in changes if value]
    return b"\r\n".join([*new, *kept]) + (blank or b"\r\n\r\n") + body


@lru_cache(maxsize=256)
def _header(name: str, value: str, policy: email.policy.EmailPolicy) -> bytes:
    if name in {"From", "Reply-To"}:
        shown, address = parseaddr(value)
        value = mailbox(shown, envelope_address(address).address) if address else value
    header = policy.header_factory(name, value)
    octets = header.fold(policy=policy).encode("utf-8" if policy.utf8 else "ascii")
    return octets.removesuffix(b"\r\n")


# -- Keeping and reading


def keep(row: Message, content: bytes) -> None:
    """Seal a content and put it into the row, or into a file that the row names.

    The row is not saved. Its Message-ID must be set.
    """
    token = vault.seal_bytes(content, bound_to=_binding(row))
    if len(token) > conf.option("CONTENT_INLINE") and (name := _to_file(token)):
        row.content, row.content_file = None, name
    else:
        row.content, row.content_file = token, ""


def read(row: Message) -> bytes:
    """Return the content of a message as it was frozen.

    Raises:
        ContentUnavailableError: it is not kept any more, its file is missing, or no key opens it.
    """
    try:
        return vault.unseal_bytes(sealed(row), bound_to=_binding(row))
    except SecretUnavailableError:
        raise ContentUnavailableError(
            _("The content of this mail cannot be opened with the keys of this site.")
        ) from None


def as_sent(row: Message) -> bytes:
    """Return the content of a message with the From that the server got, or would get.

    What is kept has the app's, because each attempt writes its profile's.

    Raises:
        ContentUnavailableError: it cannot be read.
    """
    octets = read(row)
    recipe = row.recipe if isinstance(row.recipe, dict) else {}
    if not row.from_email or row.from_email == recipe.get("from"):
        return octets
    try:
        changes = [("From", row.from_email)]
        return with_headers(octets, changes, smtputf8=bool(recipe.get("utf8")))
    except ValueError:
        # Cut to what the column holds.
        return octets


def sealed(row: Message) -> bytes:
    """Return the content of a message as it is kept.

    Raises:
        ContentUnavailableError: it is not kept any more, or its file is missing.
    """
    if row.content is not None:
        return bytes(row.content)
    if not row.content_file:
        raise ContentUnavailableError(_("The content of this mail is not kept any more."))
    try:
        return _from_file(row.content_file)
    except ContentUnavailableError:
        # Sealed anew with another key, it is in another file since the row was read.
        name = Message.objects.filter(pk=row.pk).values_list("content_file", flat=True).first()
        if not name or name == row.content_file:
            raise
        row.content_file = name
        return _from_file(name)


def drop_file(name: str) -> None:
    """Delete the file of a content; one that is gone already is no error."""
    try:
        storage = content_storage()
        if name and storage is not None:
            storage.delete(name)
    except Exception as error:  # noqa: BLE001 - a storage has errors of its own; the mail is gone
        logger.warning("The file of a mail's content could not be deleted: %r", error)


def content_storage() -> Storage | None:
    """Return where large contents are kept; None where the site has no place for files."""
    if "mailsetup" in settings.STORAGES:
        return storages["mailsetup"]
    folder = conf.option("CONTENT_DIR")
    if folder is None:
        base = getattr(settings, "BASE_DIR", None)
        folder = Path(base) / FOLDER if base else None
    if folder is None:
        return None
    return FileSystemStorage(
        location=folder, file_permissions_mode=0o600, directory_permissions_mode=0o700
    )


def _binding(row: Message) -> dict[str, str]:
    return {"content": row.message_id}


def _to_file(sealed: bytes) -> str:
    """Write a sealed content to the storage; "" where it takes no files."""
    name = uuid4().hex
    try:
        storage = content_storage()
        return "" if storage is None else storage.save(f"{name[:2]}/{name}", ContentFile(sealed))
    except OSError as error:
        logger.warning(
            "The content of a mail could not be written to a file; the mail is safe, the database "
            "keeps the content instead: %s",
            error,
        )
        return ""


def _from_file(name: str) -> bytes:
    storage = content_storage()
    try:
        if storage is None:
            raise FileNotFoundError(name)
        with storage.open(name) as file:
            return bytes(file.read())
    except OSError as error:
        raise ContentUnavailableError(
            _("The file with the content of this mail cannot be read (%(reason)s).")
            % {"reason": error.strerror or type(error).__name__}
        ) from None
