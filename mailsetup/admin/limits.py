"""How often one user, and the whole site, may test; counted in the admin's log.

All processes share the log. A test is written down before it runs and counted with those of the
last ``TEST_WINDOW`` seconds: two processes that count at the same moment both see both, so no
limit is ever exceeded.
"""

from datetime import timedelta

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from mailsetup import conf
from mailsetup.models import SMTPProfile

# Tells the entries of tests from those of edits, in every language.
MARK = "✉ "


class TooManyTestsError(Exception):
    """A limit is reached; ``str()`` says which, and for how long."""


def begin_test(request: HttpRequest, *, profile_pk: int | None, label: str) -> LogEntry:
    """Write a test down before it runs.

    Args:
        request: whose user tests.
        profile_pk: primary key of the stored profile, or None.
        label: what is tested, for people.

    Raises:
        TooManyTestsError: the user, or all users together, have had too many.
    """
    entry = LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(SMTPProfile),
        object_id=profile_pk,
        object_repr=label[:200],
        action_flag=CHANGE,
        change_message=MARK + _("Test started."),
    )
    if reached := _limit_reached(entry):
        entry.delete()
        raise TooManyTestsError(reached)
    return entry


def _limit_reached(entry: LogEntry) -> str:
    """Return which limit an entry goes beyond, as a sentence; "" for none."""
    window = conf.option("TEST_WINDOW")
    recent = LogEntry.objects.filter(
        content_type_id=entry.content_type_id,
        change_message__startswith=MARK,
        action_time__gt=timezone.now() - timedelta(seconds=window),
    )
    own, everyone = conf.option("TEST_LIMIT"), conf.option("TEST_LIMIT_SITE")
    if recent.filter(user_id=entry.user_id).count() > own:
        words = _("Too many tests. Wait a moment: %(limit)s are allowed in %(seconds)s seconds.")
        return words % {"limit": own, "seconds": window}
    if recent.count() > everyone:
        words = _(
            "Too many tests on this site. Wait a moment: %(limit)s are allowed in %(seconds)s "
            "seconds, those of all users together."
        )
        return words % {"limit": everyone, "seconds": window}
    return ""


def finish_test(entry: LogEntry, message: str) -> None:
    """Complete a test's entry with how it ended.

    Args:
        entry: what :func:`begin_test` returned.
        message: one sentence, without anything secret.
    """
    entry.change_message = MARK + message
    entry.save(update_fields=["change_message"])
