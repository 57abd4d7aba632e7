"""The profile: how to reach one SMTP service, and who the site is there."""

import uuid
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connections, models, router, transaction
from django.utils.translation import gettext_lazy as _

from mailsetup import vault
from mailsetup.models.message import LogLevel
from mailsetup.models.state import ProfilesVersion
from mailsetup.models.validators import (
    is_loopback,
    validate_address,
    validate_ca,
    validate_ehlo_name,
    validate_host,
    validate_no_control,
)

DEFAULT_PORTS = {"tls": 465, "starttls": 587, "none": 25}


class Destination(NamedTuple):
    """Where a secret may go: what it is bound to, besides the profile, while it is stored."""

    host: str
    port: int
    encryption: str
    verify: bool
    ca: str
    username: str
    login: str

    def binding(self, profile_uuid: uuid.UUID) -> dict[str, str]:
        """Return the names and values that the vault ties the secret to."""
        values = self._replace(host=self.host.rstrip(".").lower(), ca=self.ca.strip())
        return {name: str(value) for name, value in values._asdict().items()} | {
            "profile": str(profile_uuid)
        }


class ProfileQuerySet(models.QuerySet["SMTPProfile"]):
    """Marks bulk changes, which send no signal, for the other processes too."""

    def update(self, **values: Any) -> int:
        """Change rows at once, as ``QuerySet.update`` does."""
        with transaction.atomic(using=self.db):
            changed = super().update(**values)
            if changed:
                ProfilesVersion.bump()
        return changed

    def bulk_create(self, *args: Any, **kwargs: Any) -> list["SMTPProfile"]:
        """Insert rows at once, as ``QuerySet.bulk_create`` does."""
        with transaction.atomic(using=self.db):
            created = super().bulk_create(*args, **kwargs)
            ProfilesVersion.bump()
        return created


class SMTPProfile(models.Model):
    """One SMTP account of the site. The values in force may differ: see ``mailsetup.effective``."""

    class Encryption(models.TextChoices):
        """How the connection is encrypted; the names are those of RFC 8314 and RFC 3207."""

        STARTTLS = "starttls", _("STARTTLS (the usual choice on port 587)")
        TLS = "tls", _("TLS from the start, also called SSL (port 465)")
        NONE = "none", _("None: everything readable on the way (port 25)")

    class Login(models.TextChoices):
        """How the site proves who it is."""

        PASSWORD = "password", _("Username and password")
        NONE = "none", _("No login")

    class Sending(models.TextChoices):
        """When a mail is handed to the server."""

        AT_ONCE = "at_once", _("At once: the page waits until the server has the mail")
        BACKGROUND = "background", _("In the background: pages do not wait; failures are retried")

    class OnAmbiguous(models.TextChoices):
        """What is done with a mail whose fate is not known."""

        HOLD = "hold", _("Keep it and show it")
        RESEND = "resend", _("Send it again; it may arrive twice")

    uuid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
    slug = models.SlugField(
        _("name"),
        unique=True,
        max_length=50,
        help_text=_("Letters, digits and hyphens; the site's code names the profile by it."),
    )
    provider = models.CharField(_("provider"), max_length=50, blank=True)
    host = models.CharField(
        _("SMTP host"),
        max_length=253,
        validators=[validate_host],
        help_text=_("For example smtp.gmail.com"),
    )
    encryption = models.CharField(
        _("encryption"), max_length=10, choices=Encryption.choices, default=Encryption.STARTTLS
    )
    port = models.PositiveIntegerField(
        _("port"),
        default=587,
        validators=[
            MinValueValidator(1, _("A port is a number from 1 to 65535; most often 587 or 465.")),
            MaxValueValidator(
                65535, _("A port is a number from 1 to 65535; most often 587 or 465.")
            ),
        ],
    )
    verify = models.BooleanField(
        _("verify certificates"),
        default=True,
        help_text=_(
            "Leave this on. Without it anyone between this site and the server can read the "
            "password and the mail."
        ),
    )
    ca = models.TextField(
        _("CA certificate"),
        blank=True,
        validators=[validate_ca],
        help_text=_(
            "Only for a server with a certificate of your own authority: its PEM text. "
            "Empty: the authorities this computer trusts."
        ),
    )
    allow_plaintext = models.BooleanField(
        _("send the password unencrypted"),
        default=False,
        help_text=_(
            "Without encryption everyone on the way can read the password and use the account. "
            "Tick this only for a server in your own closed network."
        ),
    )
    login = models.CharField(
        _("authentication"), max_length=20, choices=Login.choices, default=Login.PASSWORD
    )
    username = models.CharField(
        _("username"),
        max_length=254,
        blank=True,
        validators=[validate_no_control],
        help_text=_("Most often the full e-mail address."),
    )
    password_sealed = models.TextField(editable=False, blank=True)
    from_email = models.CharField(
        _("From email"),
        max_length=254,
        blank=True,
        validators=[validate_address],
        help_text=_(
            "The address that mails come from. Empty: the username, where it is an address."
        ),
    )
    force_from_email = models.BooleanField(
        _("force From email"),
        default=True,
        help_text=_(
            "Use the From email for every mail, whatever the sending app asks for; the app's "
            "address becomes the Reply-To."
        ),
    )
    from_name = models.CharField(
        _("From name"), max_length=200, blank=True, validators=[validate_no_control]
    )
    force_from_name = models.BooleanField(_("force From name"), default=False)
    return_path = models.CharField(
        _("return path"),
        max_length=254,
        blank=True,
        validators=[validate_address],
        help_text=_("Where undeliverable mails are returned to. Empty: the From email."),
    )
    reply_to = models.CharField(
        _("Reply-To"),
        max_length=254,
        blank=True,
        validators=[validate_address],
        help_text=_("Where answers go, for mails that do not name a Reply-To themselves."),
    )
    ehlo_name = models.CharField(
        _("EHLO name"),
        max_length=253,
        blank=True,
        validators=[validate_ehlo_name],
        help_text=_("How this site calls itself to the server. Empty: this computer's name."),
    )
    timeout = models.PositiveIntegerField(
        _("timeout"),
        default=15,
        validators=[
            MinValueValidator(1, _("A timeout is a number of seconds from 1 to 300.")),
            MaxValueValidator(300, _("A timeout is a number of seconds from 1 to 300.")),
        ],
        help_text=_("Seconds to wait for the server at each step."),
    )
    active = models.BooleanField(_("active"), default=True)
    is_default = models.BooleanField(
        _("default"),
        default=False,
        help_text=_("The profile for every mail that does not name another one."),
    )
    do_not_send = models.BooleanField(
        _("do not send"),
        default=False,
        help_text=_("Mails are accepted and thrown away. For test copies of a site."),
    )
    sending = models.CharField(
        _("sending"), max_length=10, choices=Sending.choices, default=Sending.AT_ONCE
    )
    on_ambiguous = models.CharField(
        _("mail whose fate is not known"),
        max_length=10,
        choices=OnAmbiguous.choices,
        default=OnAmbiguous.HOLD,
        help_text=_(
            "The connection broke after the whole mail had left and before the server answered. "
            "Mails sent at once are always kept."
        ),
    )
    in_flight = models.PositiveSmallIntegerField(
        _("mails in flight"),
        default=1,
        validators=[
            MinValueValidator(1, _("The number of mails in flight is from 1 to 50.")),
            MaxValueValidator(50, _("The number of mails in flight is from 1 to 50.")),
        ],
        help_text=_(
            "How many mails may be on their way over one connection before the server has "
            "answered for the first. More than 1 is faster where the server is far away and offers "
            "CHUNKING; when a connection breaks, up to that many mails are left whose fate is not "
            "known."
        ),
    )
    log = models.CharField(
        _("mail log"), max_length=10, choices=LogLevel.choices, default=LogLevel.ENVELOPE
    )
    revision = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last changed"), auto_now=True)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("SMTP profile")
        verbose_name_plural = _("SMTP profiles")
        ordering = ["-is_default", "slug"]
        permissions = [("test_smtpprofile", _("Can send a test mail"))]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="mailsetup_one_default",
                violation_error_message=_("There is a default profile already."),
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Refuse combinations that cannot work, with an error at the field to change."""
        errors: dict[str, Any] = {}
        if self.is_default and not self.active:
            errors["active"] = _(
                "The default profile must be active. Make another profile the default first."
            )
        if self.slug == "default" and not self.is_default and self._another_default():
            errors["slug"] = _(
                "The name “default” belongs to the default profile. Choose another name, "
                "or tick “default”."
            )
        if errors:
            raise ValidationError(errors)

    def _another_default(self) -> bool:
        return type(self).objects.exclude(pk=self.pk).filter(is_default=True).exists()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the profile; keep at most one default, and one where there is an active profile."""
        database = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        others = type(self).objects.using(database).exclude(pk=self.pk)
        with transaction.atomic(using=database):
            if not connections[database].features.supports_partial_indexes:
                # MySQL lacks the constraint above: who saves waits here for who saves already.
                ProfilesVersion.bump()
            if self.is_default:
                others.filter(is_default=True).update(is_default=False)
            elif self.active and not others.filter(is_default=True).exists():
                self.is_default = True
            self.revision += 1
            if (fields := kwargs.get("update_fields")) is not None:
                kwargs["update_fields"] = {*fields, "is_default", "revision", "updated_at"}
            super().save(*args, **kwargs)

    def destination(self) -> Destination:
        """Return the destination by the row's own values, the environment left aside."""
        return Destination(**{name: getattr(self, name) for name in Destination._fields})

    def set_password(self, secret: str, destination: Destination | None = None) -> None:
        """Seal a secret for one destination; an empty secret removes the stored one.

        Args:
            secret: the password as typed.
            destination: where it may be sent; by default the row's own destination.
        """
        if not secret:
            self.password_sealed = ""
            return
        binding = (destination or self.destination()).binding(self.uuid)
        self.password_sealed = vault.seal(secret, bound_to=binding)

    def get_password(self, destination: Destination | None = None) -> str:
        """Return the stored secret, for the destination it was stored for.

        Raises:
            SecretUnavailableError: there is none, no key opens it, or the destination differs.
        """
        binding = (destination or self.destination()).binding(self.uuid)
        return vault.unseal(self.password_sealed, bound_to=binding)


def next_default(profiles: models.QuerySet[SMTPProfile]) -> SMTPProfile | None:
    """Return which of these profiles becomes the default where none is: the first active one."""
    return profiles.filter(active=True).order_by("pk").first()


def choose_new_default() -> None:
    """Make the next profile the default where none is, as after a deletion."""
    profiles = SMTPProfile.objects.all()
    if not profiles.filter(is_default=True).exists():
        first = next_default(profiles)
        if first is not None:
            profiles.filter(pk=first.pk).update(is_default=True, revision=first.revision + 1)


def needs_plaintext_consent(*, encryption: str, login: str, host: str) -> bool:
    """Tell whether a password would travel readable to a host that is not this computer."""
    return encryption == "none" and login != "none" and not is_loopback(host)
