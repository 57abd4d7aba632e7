"""The message, outbox and log in one table, and its attempts.

The row is the truth: what became of a mail, when it is due, who works on it and whether its
content may be on its way. Nothing here sends; ``mailsetup.delivery.outbox`` does the claiming and
settling.
"""

from typing import Any, Final

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    """What has become of a message so far."""

    QUEUED = "queued", _("waiting")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    FAILED = "failed", _("failed")
    # Its last octet may have left and no reply was read: only a person or a policy sends it again.
    AMBIGUOUS = "ambiguous", _("not known")
    # Something about the message itself, not the server, kept it from being tried.
    SET_ASIDE = "set_aside", _("set aside")
    CANCELED = "canceled", _("canceled")
    EXPIRED = "expired", _("expired")
    # The profile is set to “do not send”.
    DROPPED = "dropped", _("not sent on purpose")


# Nothing happens to such a message any more unless somebody acts.
SETTLED = frozenset(State) - {State.QUEUED, State.SENDING}
# Such a message wants somebody to look at it.
TROUBLED = frozenset({State.FAILED, State.AMBIGUOUS, State.SET_ASIDE})


# The columns of a message that waits again, for whoever claims it next.
UNCLAIMED: Final[dict[str, Any]] = {
    "state": State.QUEUED,
    "claim": None,
    "claimed_until": None,
    "worker": "",
}


class Priority(models.IntegerChoices):
    """Who goes first among the messages that are due; the lowest number does."""

    HIGH = 10, _("high")
    NORMAL = 20, _("normal")
    BULK = 30, _("bulk")


class LogLevel(models.TextChoices):
    """What is kept of a message."""

    OFF = "off", _("Nothing, once the mail is sent")
    ENVELOPE = "envelope", _("Who, when, subject and result; the content is deleted when sent")
    CONTENT = "content", _("The content too, encrypted")


class Message(models.Model):
    """One mail that the site was asked to send."""

    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    settled_at = models.DateTimeField(_("settled"), null=True)
    background = models.BooleanField(_("in the background"), default=False)
    # The profile that the mailer's OPTIONS name, "" for the default one; what claims go by.
    requested = models.CharField(max_length=50, blank=True)
    # The mailer of Django 6.1, whose OPTIONS serve while there is no profile.
    alias = models.CharField(max_length=100, blank=True)
    # The profile that it went out by last, or would have.
    profile = models.CharField(_("profile"), max_length=50, blank=True)
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=Priority.choices, default=Priority.NORMAL
    )
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001

    app = models.CharField(_("app"), max_length=100, blank=True)
    caller = models.CharField(_("caller"), max_length=250, blank=True)

    message_id = models.CharField(_("Message-ID"), max_length=255, blank=True)
    from_email = models.CharField(_("from"), max_length=400, blank=True)
    recipients = models.JSONField(_("recipients"), default=list)
    # Those whose mail has not been accepted or refused for good; None for all of them.
    remaining = models.JSONField(null=True)
    # Somebody has got it; others of its recipients may not have.
    delivered = models.BooleanField(default=False)
    # Links and codes are taken out before it is stored.
    subject = models.CharField(_("subject"), max_length=500, blank=True)
    size = models.PositiveIntegerField(_("size"), default=0)
    # Addresses, subject and Message-ID in lower case, for the log's search box.
    search = models.TextField(blank=True)

    attempts_made = models.PositiveIntegerField(_("attempts"), default=0)
    # Why it is where it is, a whole sentence.
    reason = models.TextField(_("reason"), blank=True)
    needs_attention = models.BooleanField(default=False)
    # It reports a failing mail: its own failure is not reported, or a chain would start.
    reports_failure = models.BooleanField(default=False)
    # The message that a person sent again as this one. No foreign key: that one may be purged.
    resent_from = models.BigIntegerField(null=True)

    # Who works on it: a claim's mark, until when it holds, and the process that made it.
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=200, blank=True)
    # The content may be on its way: written down before its first octet is handed over.
    leaving = models.BooleanField(default=False)
    # How often the process ended that worked on this message alone.
    crashes = models.PositiveSmallIntegerField(default=0)
    # A process ended that worked on it among others: claimed alone from now on.
    suspect = models.BooleanField(default=False)

    # What is kept of it, as the profile said when it was handed over.
    log = models.CharField(max_length=10, choices=LogLevel.choices, default=LogLevel.ENVELOPE)
    # The sealed content, here or in the file storage, and what an attempt needs to write its
    # headers; see ``mailsetup.delivery.content``.
    content = models.BinaryField(null=True)
    content_file = models.CharField(max_length=200, blank=True)
    recipe = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("mail log")
        ordering = ["-id"]
        permissions = [
            ("preview_message", _("Can read the text of mails, links and codes hidden")),
            ("reveal_message", _("Can read mails whole, links and codes included")),
            ("resend_message", _("Can send mails again, now, or cancel them")),
            ("export_message", _("Can export the mail log and mails")),
            ("purge_message", _("Can delete old entries of the mail log")),
        ]
        indexes = [
            models.Index(
                fields=["requested", "priority", "due_at"],
                name="mailsetup_message_due",
                condition=models.Q(state=State.QUEUED),
            ),
            models.Index(
                fields=["claim"],
                name="mailsetup_message_claim",
                condition=models.Q(state=State.SENDING),
            ),
            models.Index(
                fields=["-id"],
                name="mailsetup_message_trouble",
                condition=models.Q(needs_attention=True),
            ),
            models.Index(
                fields=["resent_from"],
                name="mailsetup_message_resent",
                condition=models.Q(resent_from__isnull=False),
            ),
            models.Index(fields=["state", "-id"], name="mailsetup_message_state"),
            models.Index(fields=["profile", "-id"], name="mailsetup_message_profile"),
            models.Index(fields=["app", "-id"], name="mailsetup_message_app"),
            models.Index(fields=["created_at"], name="mailsetup_message_created"),
        ]
        constraints = [
            # Not at the field: PostgreSQL would get a second index there, for LIKE.
            models.UniqueConstraint(fields=["idempotency_key"], name="mailsetup_message_key"),
        ]

    def __str__(self) -> str:
        return self.subject or self.message_id

    @property
    def left(self) -> list[str]:
        """The recipients that the next attempt is for; none where the row holds nonsense."""
        found = self.recipients if self.remaining is None else self.remaining
        return list(found) if isinstance(found, list) else []

    @property
    def recipients_line(self) -> str:
        """The first few recipients on one line."""
        known = self.recipients if isinstance(self.recipients, list) else []
        return ", ".join(str(address) for address in known[:3])

    @property
    def has_content(self) -> bool:
        """Whether the content is still kept, so that it can be sent or shown."""
        return self.content is not None or bool(self.content_file)


class Attempt(models.Model):
    """One try to hand one message to one profile's server."""

    message = models.ForeignKey(Message, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField(default=0.0)
    profile = models.CharField(max_length=50, blank=True)
    # Host and port.
    server = models.CharField(max_length=270, blank=True)
    # Values of ``mailsetup.smtp.errors.Stage`` and ``Outcome``; "" for what no server was asked.
    stage = models.CharField(max_length=12, blank=True)
    outcome = models.CharField(max_length=20, blank=True)
    code = models.PositiveSmallIntegerField(null=True)
    enhanced_code = models.CharField(max_length=12, blank=True)
    reply = models.TextField(blank=True)
    error = models.TextField(blank=True)
    # What diagnosis takes for the reason: the id of its rule, or "".
    cause = models.CharField(max_length=60, blank=True)
    accepted = models.JSONField(default=list)
    # Each refused recipient by itself: address, code, enhanced_code, reply, outcome.
    refused: Any = models.JSONField(default=list)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["number", "id"]

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome or self.error}"
