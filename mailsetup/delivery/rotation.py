"""Seals the kept contents of mails anew with the first key, while mails are being sent.

Each row changes only if nobody changed its content meanwhile. A content that no key opens stays as
it is and is counted: its message would be set aside when its turn comes.
"""

from dataclasses import dataclass

from django.core.files.base import ContentFile
from django.db.models import Q

from mailsetup import vault
from mailsetup.delivery import content
from mailsetup.exceptions import ContentUnavailableError, SecretUnavailableError
from mailsetup.models import Message, SMTPProfile

_CHUNK = 200
_KEPT = Q(content__isnull=False) | ~Q(content_file="")


@dataclass(slots=True)
class ContentRotation:
    """How many contents were sealed anew, had the first key already, or could not be opened."""

    rotated: int = 0
    current: int = 0
    lost: int = 0


def rotate_contents() -> ContentRotation:
    """Seal every kept content with the first key.

    Raises:
        ConfigurationError: a key in ``MAILSETUP_KEYS`` is not a Fernet key.
    """
    result = ContentRotation()
    kept = Message.objects.filter(_KEPT).order_by("pk")
    last = 0
    while chunk := list(kept.filter(pk__gt=last).values_list("pk", flat=True)[:_CHUNK]):
        for pk in chunk:
            _rotate_one(pk, result)
        last = chunk[-1]
    return result


def anything_sealed() -> bool:
    """Tell whether the database keeps anything that needs the keys: a password, or a content."""
    passwords = SMTPProfile.objects.exclude(password_sealed="")
    return passwords.exists() or Message.objects.filter(_KEPT).exists()


def _rotate_one(pk: int, result: ContentRotation) -> None:
    row = Message.objects.filter(pk=pk).only("content", "content_file", "message_id").first()
    if row is None or not row.has_content:
        return
    try:
        sealed = content.sealed(row)
        if vault.bytes_have_first_key(sealed):
            result.current += 1
            return
        new = vault.reseal_bytes(sealed)
    except (ContentUnavailableError, SecretUnavailableError):
        result.lost += 1
        return
    rows = Message.objects.filter(pk=pk)
    if row.content is not None:
        result.rotated += rows.filter(content=row.content).update(content=new)
        return
    storage, old = content.content_storage(), row.content_file
    if storage is None:
        return
    name = storage.save(old, ContentFile(new))
    changed = rows.filter(content_file=old).update(content_file=name)
    result.rotated += changed
    content.drop_file(old if changed else name)
