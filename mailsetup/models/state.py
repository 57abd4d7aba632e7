"""What changes often about profiles, kept beside them so that their revision does not move."""

import uuid
from functools import cache
from typing import Any

from django.db import IntegrityError, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ProfileState(models.Model):
    """How a profile is doing, keyed by name: a profile from the environment has one too."""

    slug = models.SlugField(_("profile"), unique=True, max_length=50)
    tested_at = models.DateTimeField(_("last tested"), null=True)
    test_passed = models.BooleanField(_("last test passed"), default=False)
    test_stage = models.CharField(_("stage of the last failure"), max_length=20, blank=True)
    test_settings = models.CharField(max_length=64, blank=True, editable=False)

    # Stopped: its login was refused.
    stopped_at = models.DateTimeField(_("stopped"), null=True)
    stopped_reason = models.TextField(blank=True)
    # The settings whose login was last accepted, and when: others may sign in without asking.
    login_settings = models.CharField(max_length=64, blank=True, editable=False)
    login_at = models.DateTimeField(null=True)
    # Held back: a quota is used up, or the server is out of reach; then one message probes.
    held_until = models.DateTimeField(_("held until"), null=True)
    held_reason = models.TextField(blank=True)
    # The settings that it was stopped or held with, "" for whatever they are: an edit ends both,
    # by the form or by the environment.
    kept_settings = models.CharField(max_length=64, blank=True, editable=False)
    # How often in a row the server was out of reach, and how often it refused the login.
    failures = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("profile state")
        verbose_name_plural = _("profile states")

    def __str__(self) -> str:
        return self.slug

    @classmethod
    def record_test(cls, slug: str, *, passed: bool, stage: str, settings: str) -> None:
        """Remember how the last test of a profile ended.

        Args:
            slug: the profile's name.
            passed: whether it went through.
            stage: the stage at which it failed, or "".
            settings: a fingerprint of the settings tested, to tell when they changed since.
        """
        cls.write(
            slug,
            tested_at=timezone.now(),
            test_passed=passed,
            test_stage=stage,
            test_settings=settings,
        )

    @classmethod
    def write(cls, slug: str, **values: Any) -> None:
        """Change columns of a profile's state, which is made where there is none.

        The write comes first: SQLite refuses at once, without waiting for its lock, what writes
        after it has read while somebody else wrote.
        """
        rows = cls.objects.filter(slug=slug)
        if rows.update(**values):
            return
        try:
            with transaction.atomic(using=router.db_for_write(cls)):
                cls.objects.create(slug=slug, **values)
        except IntegrityError:
            rows.update(**values)


class ProfilesVersion(models.Model):
    """One row that every change of a profile marks, so that one small query tells of an edit.

    The mark is random, not a counter: after a rolled-back transaction a counter would give the
    same number to different contents.
    """

    mark = models.UUIDField(default=uuid.uuid4)

    def __str__(self) -> str:
        return str(self.mark)

    @classmethod
    def bump(cls) -> None:
        """Tell every process that the profiles changed."""
        cls.objects.update_or_create(pk=1, defaults={"mark": uuid.uuid4()})

    @classmethod
    def current(cls, connection: BaseDatabaseWrapper) -> str:
        """Return today's mark; "" before the first profile was stored.

        Past the ORM, because this runs in the sending path: building the query costs ten times
        what SQLite needs to answer it.
        """
        with connection.cursor() as cursor:
            cursor.execute(_current_mark())
            row = cursor.fetchone()
        return str(row[0]) if row else ""


@cache
def _current_mark() -> str:
    table = ProfilesVersion._meta.db_table
    return f"SELECT mark FROM {table} WHERE id = 1"  # noqa: S608 - the table's own name
