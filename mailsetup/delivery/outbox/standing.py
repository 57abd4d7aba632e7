"""How a profile stands with its server: may its mail go, must it wait, who may try the login.

It is written down beside the profile, keyed by name, for all workers. A quota holds the profile; a
server out of reach holds it for ever longer times, and then one message probes. A refused login
holds it for a minute, and at the second refusal stops it until its settings are changed or a
person resumes it: two AUTH commands in all, however many workers there are.
"""

import hashlib
import hmac
import logging
import threading
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from mailsetup.delivery.outbox import retry, workers
from mailsetup.delivery.reporting import quietly, report
from mailsetup.effective import Effective
from mailsetup.exceptions import ConfigurationError
from mailsetup.models import Lease, Message, ProfileState
from mailsetup.signals import profile_stopped
from mailsetup.smtp.errors import TransportError

# How often a login may be refused before nobody tries it any more.
MOST_REFUSALS = 2
REFUSED_SECONDS = 60.0
# A login accepted this recently needs no care: others may sign in at the same time. Not much longer
# than a connection is kept unused, or all workers at once would try a password changed meanwhile.
PROVEN_SECONDS = 60.0
# How long a mail waits whose profile is missing, switched off, or has lost its password.
UNUSABLE_SECONDS = 300.0
# The columns of a profile whose mail nothing keeps back.
_NOTHING_KEPT: Final[dict[str, Any]] = {
    "stopped_at": None,
    "stopped_reason": "",
    "held_until": None,
    "held_reason": "",
    "failures": 0,
    "kept_settings": "",
}


class Standing:
    """One profile's standing, as it was read.

    Args:
        effective: the profile.
    """

    def __init__(self, effective: Effective) -> None:
        self.effective = effective
        self.slug = effective.slug
        self.state: ProfileState | None = None
        self._read()
        # The holder of the lease to sign in, where this is who has it.
        self._signs_in = ""

    def _read(self) -> None:
        self.state = ProfileState.objects.filter(slug=self.slug).first()

    @property
    def mark(self) -> str:
        """What differs where anything does that the login depends on."""
        return settings_mark(self.effective)

    @property
    def is_stopped(self) -> bool:
        """Whether its login was refused, and nothing has been changed since."""
        state = self.state
        return bool(state and state.stopped_at and self._is_unchanged(state))

    @property
    def is_held(self) -> bool:
        """Whether its mail waits for a time to come, and nothing has been changed since."""
        state = self.state
        return bool(
            state
            and state.held_until
            and state.held_until > timezone.now()
            and self._is_unchanged(state)
        )

    def _is_unchanged(self, state: ProfileState) -> bool:
        return state.kept_settings in {"", self.mark}

    @property
    def wants_probe(self) -> bool:
        """Whether it was held, and one message is to find out whether it still has to be.

        So it is after a change of the settings too: who changes them may have mistyped them.
        """
        state = self.state
        return bool(state and state.held_until and not self.is_held)

    def take_probe(self) -> bool:
        """Become the one who probes; tell whether nobody else did."""
        account = self.effective.account
        seconds = account.time_to_open() + account.time_to_send(0)
        rows = ProfileState.objects.filter(slug=self.slug, held_until=self.state.held_until)
        until = timezone.now() + timedelta(seconds=seconds)
        forgotten = {} if self._is_unchanged(self.state) else _NOTHING_KEPT
        values = {**forgotten, "held_until": until, "kept_settings": self.mark}
        return bool(rows.update(**values))

    def may_sign_in(self, worker: str) -> bool:
        """Tell whether this worker may open connections that sign in.

        A login that was not accepted lately is tried by one worker at a time.
        """
        if self.effective["login"] == "none" or self.worked_lately:
            return True
        holder = f"{worker}#{threading.get_ident()}"[:200]
        if not workers.take(self._lease, holder, self.effective.account.time_to_open()):
            return False
        self._signs_in = holder
        # Who had the lease before may have been refused since this was read.
        self._read()
        return not (self.is_stopped or self.is_held)

    def let_others_sign_in(self) -> None:
        """Give back what :meth:`may_sign_in` took, once the outcome is written down."""
        if self._signs_in:
            Lease.release(self._lease, self._signs_in)
            self._signs_in = ""

    @property
    def _lease(self) -> str:
        return f"login:{self.slug}"

    @property
    def worked_lately(self) -> bool:
        """Whether the server took one of the workers in, by these settings, a moment ago."""
        return self._is_proven(PROVEN_SECONDS)

    def _is_proven(self, seconds: float) -> bool:
        state = self.state
        if state is None or state.login_at is None or state.login_settings != self.mark:
            return False
        return timezone.now() - state.login_at < timedelta(seconds=seconds)

    # -- What came of an attempt

    def works(self) -> None:
        """Write down that the server took us in: whatever held the profile is over."""
        state, now = self.state, timezone.now()
        is_clean = state is not None and not (
            state.held_until or state.failures or state.refusals or state.stopped_at
        )
        # Before that time is over: while mail goes out nobody has to wait for another's login.
        if is_clean and self._is_proven(PROVEN_SECONDS / 2):
            return
        signed_in = {"login_settings": self.mark, "login_at": now, "refusals": 0}
        self._write(**_NOTHING_KEPT, **signed_in)
        self.let_others_sign_in()

    def hold(self, seconds: float, reason: str) -> None:
        """Let the profile's mail wait.

        Args:
            seconds: how long.
            reason: why, a whole sentence.
        """
        self._forget_other_settings()
        until = timezone.now() + timedelta(seconds=seconds)
        self._write(held_until=until, held_reason=reason, kept_settings=self.mark)
        self._report_wait(reason)

    def out_of_reach(self, reason: str) -> None:
        """Let the profile's mail wait for a server that cannot be reached, ever longer."""
        self._forget_other_settings()
        failures = 1 + (self.state.failures if self.state else 0)
        until = timezone.now() + timedelta(seconds=retry.probe_delay(failures))
        self._write(
            failures=failures, held_until=until, held_reason=reason, kept_settings=self.mark
        )
        name = self.slug or "-"
        report(logging.WARNING, "The server of the profile %s cannot be used: %s", name, reason)

    def refused(self, error: TransportError) -> None:
        """Count a refused login; stop the profile where it was not the first one.

        Args:
            error: what the server said.
        """
        reason = str(error)
        self._forget_other_settings()
        same = self.state is not None and self.state.login_settings == self.mark
        refusals = 1 + (self.state.refusals if self.state and same else 0)
        if refusals < MOST_REFUSALS:
            until = timezone.now() + timedelta(seconds=REFUSED_SECONDS)
            self._write(
                refusals=refusals,
                login_settings=self.mark,
                login_at=None,
                held_until=until,
                held_reason=reason,
                kept_settings=self.mark,
            )
            self._report_wait(reason)
            return
        self._write(
            refusals=refusals,
            login_settings=self.mark,
            login_at=None,
            held_until=None,
            held_reason="",
            stopped_at=timezone.now(),
            kept_settings=self.mark,
            stopped_reason=reason,
        )
        report(logging.ERROR, "The profile %s is stopped: %s", self.slug or "-", reason)
        with quietly() as is_outermost:
            if is_outermost:
                profile_stopped.send_robust(
                    sender=Message, profile=self.slug, reason=reason, error=error
                )

    def _report_wait(self, reason: str) -> None:
        report(logging.WARNING, "The mail of the profile %s waits: %s", self.slug or "-", reason)

    def _forget_other_settings(self) -> None:
        """Take back what kept the mail of other settings, or these would be kept for its reason."""
        rows = ProfileState.objects.filter(slug=self.slug)
        rows.exclude(kept_settings__in=["", self.mark]).update(**_NOTHING_KEPT)
        self._read()

    def _write(self, **values: object) -> None:
        ProfileState.write(self.slug, **values)
        self._read()


def resume(slug: str) -> bool:
    """Lift a profile's stop or hold; tell whether there was one.

    Args:
        slug: the profile's name.
    """
    kept = Q(stopped_at__isnull=False) | Q(held_until__isnull=False) | Q(refusals__gt=0)
    rows = ProfileState.objects.filter(kept, slug=slug)
    return bool(rows.update(**_NOTHING_KEPT, refusals=0))


def settings_mark(effective: Effective) -> str:
    """Return a text that differs where anything does that signing in depends on.

    A password from the environment leaves no trace in the database, so two characters of a keyed
    hash stand for it: enough to notice another one, worth nothing to who would guess it.
    """
    mark = effective.test_fingerprint
    if not effective.from_database or effective.values["password"].variable:
        try:
            secret = effective.secret.reveal()
        except ConfigurationError:
            secret = ""
        key = settings.SECRET_KEY.encode()
        mark = mark[:60] + hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:4]
    return mark[:64]
