"""Signals that other apps may connect to; ``docs/signals.md`` tells when each is sent.

All are about mails but ``profile_stopped``, and these have in common:

- ``sender``: the backend's class for what happens while a caller sends or leaves a mail; the class
  :class:`mailsetup.models.Message` for what happens to it in the background;
- ``message``: the ``EmailMessage`` that was handed to the backend; None in the background;
- ``entry``: the message's row in the outbox and log (:class:`mailsetup.models.Message`); None for
  a mail sent at once, whose entry is written after it went;
- ``message_id``: its Message-ID, which both have.

A receiver that raises is logged and does not change what happened to the mail. While receivers
run, a mail that they send is marked as one that reports a failure (``reports_failure``).
"""

from django.dispatch import Signal

_COMMON = ("message", "entry", "message_id")


class Told(Signal):
    """A signal that knows the names of its arguments, ``sender`` apart."""

    def __init__(self, *arguments: str) -> None:
        super().__init__()
        self.arguments = arguments


# A mail was left to the outbox: its row is written, in the caller's transaction.
message_queued = Told(*_COMMON)

# A server took a mail for at least one recipient.
message_sent = Told(*_COMMON, "profile", "accepted")

# It is settled that a mail goes to nobody, or nobody knows (ambiguous); not for one to be retried.
message_failed = Told(*_COMMON, "profile", "error", "cause", "state", "reports_failure")

# One recipient was refused for good, whatever became of the mail for the others.
recipient_refused = Told(*_COMMON, "profile", "recipient", "error")

# A profile sends nothing more until it is edited or resumed: its login was refused.
profile_stopped = Told("profile", "reason", "error")
