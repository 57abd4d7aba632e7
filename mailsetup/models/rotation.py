"""Rotates the keys of stored secrets while the site runs."""

from dataclasses import dataclass, field

from mailsetup import vault
from mailsetup.exceptions import SecretUnavailableError
from mailsetup.models.profile import SMTPProfile


@dataclass(slots=True)
class RotationResult:
    """How many secrets were sealed anew, had the first key already, or could not be opened."""

    rotated: int = 0
    current: int = 0
    lost: list[str] = field(default_factory=list)


def rotate_secrets() -> RotationResult:
    """Seal every stored secret with the first key.

    Each row changes only if nobody else changed its secret meanwhile, so that an edit under way
    is not undone; a row that was edited is read again.
    """
    result = RotationResult()
    for pk in SMTPProfile.objects.order_by("pk").values_list("pk", flat=True):
        while not _rotate_one(pk, result):
            pass
    return result


def _rotate_one(pk: int, result: RotationResult) -> bool:
    row = SMTPProfile.objects.filter(pk=pk).values("slug", "password_sealed").first()
    if row is None or not row["password_sealed"]:
        return True
    old = row["password_sealed"]
    if vault.sealed_with_first_key(old):
        result.current += 1
        return True
    try:
        new = vault.reseal(old)
    except SecretUnavailableError:
        result.lost.append(row["slug"])
        return True
    changed = SMTPProfile.objects.filter(pk=pk, password_sealed=old).update(password_sealed=new)
    result.rotated += changed
    return bool(changed)
