"""Every failure has a cause and a next step, at every stage."""

import pytest
from django.utils.translation import override

from mailsetup import diagnosis
from mailsetup.admin import drafts
from mailsetup.admin.advice import STAGE_LABELS, advise, ladder, stage_label
from mailsetup.smtp.errors import Stage
from tests.diagnosis.replies import refusal

FAILURE = {
    "stage": "",
    "error": "",
    "timed_out": False,
    "host": "mail.example.com",
    "port": 587,
    "encryption": "starttls",
    "provider": "",
    "to": "ann@example.com",
    "sentence": "Switch it on.",
}


@pytest.mark.parametrize("stage", [*Stage, "settings"])
@pytest.mark.parametrize("timed_out", [False, True])
@pytest.mark.parametrize("error", ["", "NotOfferedError", "CertificateError"])
def test_each_failure_has_cause_and_steps(stage, timed_out, error):
    found = advise(FAILURE | {"stage": str(stage), "timed_out": timed_out, "error": error})
    assert found.cause.endswith(".")
    assert found.steps
    assert "%(" not in found.cause + "".join(found.steps)


def test_each_stage_has_a_name():
    assert set(STAGE_LABELS) == {*Stage, "settings"}
    assert all(stage_label(str(stage)) != stage for stage in Stage)


@pytest.mark.parametrize(
    ("values", "stages"),
    [
        (
            {"encryption": "tls", "login": "password", "check_only": True},
            "dns connect tls greeting ehlo login",
        ),
        (
            {"encryption": "starttls", "login": "none", "check_only": True},
            "dns connect greeting ehlo tls",
        ),
        (
            {"encryption": "none", "login": "none", "check_only": False},
            "dns connect greeting ehlo sender recipient content accepted",
        ),
    ],
)
def test_stages_stand_in_the_order_of_the_conversation(values, stages):
    assert ladder(**values) == stages.split()


@pytest.mark.parametrize(
    ("provider", "label"),
    [
        ("gmail", "Where the password is made"),
        ("microsoft365", "Open the account at the provider"),
    ],
)
def test_link_of_a_refused_login_says_where_it_leads(provider, label):
    found = advise(FAILURE | {"stage": "login", "provider": provider})
    assert found.link.startswith("https://")
    assert found.link_label == label


def test_greeting_advice_names_the_port_only_without_tls():
    plain = advise(FAILURE | {"stage": "greeting"})
    secure = advise(FAILURE | {"stage": "greeting", "encryption": "tls"})
    assert len(plain.steps) == len(secure.steps) + 1


@pytest.mark.parametrize("encryption", ["starttls", "none"])
def test_silent_server_is_said_to_want_tls_and_no_firewall_is_blamed(encryption):
    silent = FAILURE | {"stage": "greeting", "timed_out": True, "port": 465}
    found = advise(silent | {"encryption": encryption})
    assert "said nothing" in found.cause
    assert "TLS from the start" in found.steps[0]
    assert not any("blocks" in step for step in found.steps)
    assert any("blocks" in step for step in advise(silent | {"stage": "connect"}).steps)


def test_oldest_draft_gives_way(rf, administrator):
    request = rf.get("/")
    request.user, request.session = administrator, {}
    keys = [drafts.keep(request, object_id="", fields={"n": n}) for n in range(5)]
    kept = [key for key in keys if drafts.find(request, key)]
    assert kept == keys[-drafts.MAX_DRAFTS :]


@pytest.mark.parametrize("rule", diagnosis.all_rules(), ids=lambda rule: rule.id)
@pytest.mark.parametrize("language", ["en", "vi"])
def test_each_particular_cause_is_named_with_steps_to_take(rule, language):
    with override(language):
        for stage in rule.stages or Stage:
            failure = {"stage": str(stage), "cause": rule.id, "outcome": str(rule.outcome)}
            found = advise(FAILURE | failure)
            named = found.cause == f"{rule.title[language]}."
            assert named == rule.is_particular
            assert found.steps


@pytest.mark.parametrize(
    ("reply", "stage", "cause", "step"),
    [
        ("550 5.4.5 Daily user sending limit exceeded", "recipient", "Google: sending", "limit is"),
        ("450 4.7.1 Greylisted", "recipient", "Greylisted", "some minutes"),
        ("530 5.7.0 Authentication required", "sender", "Server wants a login", "username"),
        ("553 5.7.1 Sender address rejected: not owned by user", "recipient", "From", "From email"),
        ("554 5.7.1 Relay access denied", "recipient", "Server does not pass", "“Relay”"),
    ],
)
def test_servers_words_outweigh_the_stage(reply, stage, cause, step):
    judged = diagnosis.judge(refusal(reply, Stage(stage)))
    failure = {"stage": stage, "cause": judged.cause, "outcome": str(judged.outcome)}
    found = advise(FAILURE | failure)
    assert found.cause.startswith(cause)
    assert any(step in each for each in found.steps)
    assert not any("Check the address" in each for each in found.steps) or "Relay" in reply


def test_result_kept_before_there_was_a_diagnosis_is_advised_on():
    assert advise(FAILURE | {"stage": "recipient"}).cause.startswith("The server does not take")
