"""The attempts on a mail's page: stages, outcomes and causes."""

import pytest

from mailsetup.admin import log_words
from mailsetup.models import SMTPProfile, State
from tests import mails
from tests.admin.conftest import text
from tests.admin.test_log_permissions import url


@pytest.mark.parametrize("outcome", ["retry", "hold", "stop_profile"])
@pytest.mark.parametrize(
    ("state", "background", "promised"),
    [(State.QUEUED, True, 2), (State.FAILED, True, 1), (State.FAILED, False, 0)],
)
def test_attempt_promises_no_more_than_what_follows(
    client, db, outcome, state, background, promised
):
    row = mails.mail(state, background=background)
    for _each in range(2):
        mails.attempt(row, outcome=outcome, stage="connect", accepted=[])
    label = str(log_words.OUTCOMES[outcome])
    page = client.get(url("change", row.pk)).content.decode()
    assert page.count(f">{label}</span>") == promised
    assert page.count('class="mailsetup-attempt mailsetup-attempt-failed"') >= 2 - promised


def stages_of(client, row):
    """Return the labels of the ladder of the last attempt, as the page shows it."""
    shown = client.get(url("change", row.pk)).context_data["attempts"][0]["ladder"]
    return [step["label"] for step in shown]


@pytest.mark.parametrize(
    ("encryption", "login", "expected"),
    [
        ("starttls", "password", ["Introduce", "Encrypt", "Log in"]),
        ("tls", "password", ["Encrypt", "Greeting", "Introduce", "Log in"]),
        ("none", "none", ["Introduce", "Sender"]),
    ],
)
def test_ladder_has_the_stages_of_the_profile(client, profile, encryption, login, expected):
    profile.encryption, profile.login, profile.allow_plaintext = encryption, login, True
    profile.save()
    row = mails.mail(State.FAILED)
    mails.attempt(row, stage="recipient", outcome="failed_recipient")
    found = stages_of(client, row)
    at = found.index(expected[0])
    assert found[at : at + len(expected)] == expected


@pytest.mark.parametrize("changes", [{"port": 465, "encryption": "tls"}, {"slug": "renamed"}])
def test_ladder_of_another_server_shows_only_what_is_known(client, profile, changes):
    SMTPProfile.objects.filter(pk=profile.pk).update(**changes)
    row = mails.mail(State.FAILED)
    mails.attempt(row, stage="login", outcome="stop_profile")
    assert "Encrypt" not in stages_of(client, row)
    mails.attempt(row, stage="tls", outcome="retry")
    assert "Encrypt" in stages_of(client, row)


def test_causes_are_told_in_words(client, row):
    from mailsetup import diagnosis

    cause = diagnosis.all_rules()[0].id
    row.attempts.update(cause=cause)
    page = text(client.get(url("change", row.pk)))
    assert diagnosis.title(cause, "en") in page


def test_attempt_that_failed_in_the_handshake_shows_where_that_comes(client, db):
    row = mails.mail(State.QUEUED)
    mails.attempt(row, stage="tls", outcome="retry", code=None, enhanced_code="", reply="")
    page = text(client.get(url("change", row.pk)))
    assert "Introduce done Encrypt failed Log in not reached" in page
