"""Wires system checks and signal receivers; nothing else."""

from django.apps import AppConfig
from django.core.signals import request_started
from django.db.models.signals import post_delete, post_migrate, post_save
from django.utils.translation import gettext_lazy as _


class MailsetupConfig(AppConfig):
    """The app of the mail settings."""

    name = "mailsetup"
    verbose_name = _("Mail")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers and register the checks."""
        from mailsetup import checks, effective  # noqa: F401, PLC0415 - models must be loaded
        from mailsetup.delivery.outbox import engines  # noqa: PLC0415
        from mailsetup.models import ProfilesVersion, SMTPProfile  # noqa: PLC0415

        post_save.connect(effective.on_mark_changed, sender=ProfilesVersion)
        post_save.connect(effective.on_profile_changed, sender=SMTPProfile)
        post_delete.connect(effective.on_profile_deleted, sender=SMTPProfile)
        # ``flush`` and test runners empty the tables without deleting objects.
        post_migrate.connect(effective.on_tables_changed, sender=self)
        request_started.connect(engines.on_request)
