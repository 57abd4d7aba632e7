"""Leases: a name that one process at a time holds, for as long as it renews it.

The sweep is done by who holds its lease, and a login that nobody has proved is tried by one.
"""

from datetime import timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone


class Lease(models.Model):
    """Who holds a name, and until when."""

    name = models.CharField(max_length=220, unique=True)
    holder = models.CharField(max_length=200)
    until = models.DateTimeField()

    class Meta:
        verbose_name = "lease"

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"

    @classmethod
    def take(cls, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease; tell whether *holder* has it now.

        Args:
            name: what is leased.
            holder: who wants it.
            seconds: how long it holds from now on.
        """
        now = timezone.now()
        until = now + timedelta(seconds=seconds)
        free = cls.objects.filter(Q(holder=holder) | Q(until__lt=now), name=name)
        if free.update(holder=holder, until=until):
            return True
        if cls.objects.filter(name=name).exists():
            return False
        try:
            with transaction.atomic(using=free.db):
                cls.objects.create(name=name, holder=holder, until=until)
        except IntegrityError:
            return False
        return True

    @classmethod
    def release(cls, name: str, holder: str) -> None:
        """Give a lease back, if *holder* still has it."""
        cls.objects.filter(name=name, holder=holder).delete()
