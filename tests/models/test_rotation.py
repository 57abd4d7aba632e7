"""Keys are rotated while the site runs; no edit is undone, no secret is lost in silence."""

from __future__ import annotations

import pytest

from mailsetup import effective, vault
from mailsetup.models import SMTPProfile
from mailsetup.models.rotation import rotate_secrets

pytestmark = pytest.mark.django_db


def profile(slug, password):
    row = SMTPProfile(slug=slug, host="smtp.example.com", username="ann")
    row.set_password(password)
    row.save()
    return row


@pytest.fixture
def keys(settings):
    """Two keys, of which the first is set; and the second, with how to set keys."""
    old, new = vault.generate_key(), vault.generate_key()

    def use(*keys):
        settings.MAILSETUP_KEYS = list(keys)

    use(old)
    return old, new, use


def test_every_secret_is_sealed_by_the_first_key(keys):
    old, new, use = keys
    profile("shop", "one")
    profile("news", "two")
    profile("bare", "")
    use(new, old)
    result = rotate_secrets()
    assert (result.rotated, result.current, result.lost) == (2, 0, [])
    result = rotate_secrets()
    assert (result.rotated, result.current, result.lost) == (0, 2, [])
    use(new)
    assert SMTPProfile.objects.get(slug="shop").get_password() == "one"
    assert SMTPProfile.objects.get(slug="news").get_password() == "two"
    assert SMTPProfile.objects.get(slug="bare").password_sealed == ""


def test_a_secret_that_no_key_opens_is_named_and_kept(keys):
    old, new, use = keys
    sealed = profile("shop", "one").password_sealed
    use(new)
    result = rotate_secrets()
    assert (result.rotated, result.current, result.lost) == (0, 0, ["shop"])
    assert SMTPProfile.objects.get().password_sealed == sealed
    use(new, old)
    assert rotate_secrets().rotated == 1


def test_an_edit_between_reading_and_writing_is_not_undone(keys, monkeypatch):
    old, new, use = keys
    row = profile("shop", "before")
    use(new, old)
    reseal = vault.reseal

    def edited_meanwhile(token):
        monkeypatch.setattr(vault, "reseal", reseal)
        use(old)
        row.set_password("after")
        row.save()
        use(new, old)
        return reseal(token)

    monkeypatch.setattr(vault, "reseal", edited_meanwhile)
    result = rotate_secrets()
    assert (result.rotated, result.lost) == (1, [])
    use(new)
    assert SMTPProfile.objects.get().get_password() == "after"


def test_a_row_deleted_meanwhile_is_passed_over(keys, monkeypatch):
    old, new, use = keys
    row = profile("shop", "one")
    use(new, old)
    reseal = vault.reseal

    def deleted_meanwhile(token):
        row.delete()
        return reseal(token)

    monkeypatch.setattr(vault, "reseal", deleted_meanwhile)
    result = rotate_secrets()
    assert (result.rotated, result.current, result.lost) == (0, 0, [])


def test_the_site_goes_on_sending_through_a_rotation(keys, settings):
    settings.MAILSETUP = {"PROBE_SECONDS": 600}
    old, new, use = keys
    row = profile("shop", "one")
    before = effective.resolve()
    fingerprint = before.fingerprint
    use(new, old)
    assert before.secret.reveal() == "one"
    rotate_secrets()
    use(new)
    after = effective.resolve()
    assert after.secret.reveal() == "one"
    assert after.fingerprint == fingerprint
    row.refresh_from_db()
    assert row.revision == 1
