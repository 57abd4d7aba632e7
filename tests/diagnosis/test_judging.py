"""Judging a failure: words over codes, never over what is not known, and whatever arrives."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsetup.diagnosis import Judgement, all_rules, judge
from mailsetup.smtp import errors
from mailsetup.smtp.errors import Outcome, Stage, TransportError

from .replies import refusal

IDS = {rule.id for rule in all_rules()}
# The reply that is slowest to read: what patterns begin with, again and again.
SLOW = "550 5.7.1 " + "exceeded domain of sender address 5.7.1 message size attachment " * 15


def certificate(code):
    error = errors.CertificateError("not trusted", stage=Stage.TLS, outcome=Outcome.FIX_PROFILE)
    error.verify_code = code
    return error


def handshake(reason, outcome=Outcome.FIX_PROFILE):
    error = errors.HandshakeError("failed", stage=Stage.TLS, outcome=outcome)
    error.reason = reason
    return error


@pytest.mark.parametrize("stage", [Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT])
def test_quota_told_as_550_holds_the_profile(stage):
    judged = judge(refusal("550 5.4.5 Daily user sending limit exceeded. For more", stage), "gmail")
    assert judged == Judgement("gmail_daily_limit", Outcome.HOLD, hold_seconds=21_600)


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        ("452 recipient limit exceeded, try again after 2 hours", 7230),
        ("550 5.7.1 sending limit exceeded, retry in 10 minutes", 630),
        ("450 rate limit exceeded, wait 5 s", 60),
        ("450 rate limit exceeded, wait 99999 hours", 86_400),
        ("450 rate limit exceeded", 3600),
        ("450 rate limit exceeded, 40 mails in 12345 words", 3600),
    ],
)
def test_hold_is_what_the_server_says_within_bounds_else_the_rules(reply, seconds):
    assert judge(refusal(reply)) == Judgement("host_hourly_limit", Outcome.HOLD, seconds)


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        ("450 4.2.0 <a@x.vn>: Recipient address rejected: Greylisted", 420),
        ("450 4.7.1 Greylisted for 300 seconds", 330),
        ("451 4.7.1 Greylisting in action, try again in 10 minutes", 630),
        ("450 4.7.1 Greylisted, try again in 1 second", 300),
        ("450 4.7.1 Greylisted, try again in 30 hours", 3600),
        ("450 4.7.1 Greylisted, try again in 4 days", 420),
    ],
)
def test_greylisting_is_tried_again_when_the_server_wants_it(reply, seconds):
    assert judge(refusal(reply)) == Judgement("greylist", Outcome.RETRY, retry_after=seconds)


@pytest.mark.parametrize("stage", [Stage.LOGIN, Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT])
@pytest.mark.parametrize(
    "reply",
    [
        "530 5.7.0 Authentication Required",
        "535 5.7.8 Authentication credentials invalid",
        "550 5.7.1 Authentication required",
        "550 5.7.30 Basic authentication is not supported for Client Submission.",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
    ],
)
def test_refused_login_stops_the_profile_wherever_it_is_told(stage, reply):
    assert judge(refusal(reply, stage)).outcome is Outcome.STOP_PROFILE


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("454 4.7.0 Temporary authentication failure", Outcome.RETRY),
        ("421 4.7.0 Try again later, closing connection.", Outcome.RETRY),
        ("454 4.7.0 Too many login attempts, please try again later.", Outcome.HOLD),
        ("421 4.7.0 Too many login attempts", Outcome.HOLD),
        ("451 Authentication failed: Maximum credits exceeded", Outcome.HOLD),
        ("535 5.7.0 Too many bad auth attempts", Outcome.STOP_PROFILE),
        ("432 4.7.12 A password transition is needed", Outcome.STOP_PROFILE),
    ],
)
def test_login_that_may_do_later_is_told_from_one_that_never_will(reply, outcome):
    assert judge(refusal(reply, Stage.LOGIN)).outcome is outcome


@pytest.mark.parametrize(
    "address",
    ["daily-sending-limit-exceeded@evil.example", '"sending\\ limit\\ exceeded"@evil.example'],
)
def test_words_in_an_address_are_not_believed(address):
    judged = judge(refusal(f"550 5.1.1 <{address}>: User unknown"))
    assert judged == Judgement("rcpt_unknown", Outcome.FAILED_RECIPIENT)


def test_words_of_the_servers_name_are_not_believed():
    error = refusal("550 no", host="greylisted.sending-limit-exceeded.example")
    assert judge(error) == Judgement("generic_5xx", Outcome.FAILED_RECIPIENT)


def test_rule_of_one_provider_leaves_the_others_alone():
    reply = "535 Authentication Credentials Invalid"
    assert judge(refusal(reply, Stage.LOGIN), "ses").cause == "ses_bad_credentials"
    assert judge(refusal(reply, Stage.LOGIN), "ionos").cause == "auth_failed"
    assert judge(refusal(reply, Stage.LOGIN)).cause == "auth_failed"


def test_provider_is_known_by_its_server_where_the_profile_names_none():
    error = refusal("553 Relaying disallowed as a@x.vn", Stage.SENDER, host="smtp.zoho.com")
    assert judge(error).cause == "zoho_relay"


@pytest.mark.parametrize("reply", ["", "550 5.4.5 Daily sending limit exceeded", "535 no"])
def test_ambiguous_stays_ambiguous_whatever_was_said(reply):
    error = errors.ConnectionLostError(
        "broke", stage=Stage.CONTENT, outcome=Outcome.AMBIGUOUS, reply=reply
    )
    assert judge(error) == Judgement("ambiguous", Outcome.AMBIGUOUS)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.NameLookupError("x", stage=Stage.DNS, errno=-2), "dns_not_found"),
        (errors.NameLookupError("x", stage=Stage.DNS, errno=-3), "dns_try_again"),
        (errors.NameLookupTimeoutError("x", stage=Stage.DNS, errno=-3), "dns_temporary"),
        (errors.RefusedConnectionError("x", stage=Stage.CONNECT), "conn_refused"),
        (errors.ConnectTimeoutError("x", stage=Stage.CONNECT), "conn_timeout"),
        (errors.UnreachableError("x", stage=Stage.CONNECT, errno=101), "net_unreachable"),
        (errors.ReplyTimeoutError("x", stage=Stage.GREETING), "silent_greeting"),
        (errors.ConnectionLostError("x", stage=Stage.EHLO), "closed_early"),
        (errors.ReplyTimeoutError("x", stage=Stage.CONTENT), "closed_early"),
        (errors.PoolTimeoutError("x", stage=Stage.CONNECT), "pool_busy"),
        (handshake("", Outcome.RETRY), "tls_cut"),
        (errors.HandshakeTimeoutError("x", stage=Stage.TLS), "tls_timeout"),
        (certificate(10), "cert_expired"),
    ],
)
def test_server_out_of_reach_or_out_of_order_is_tried_again(error, cause):
    assert judge(error) == Judgement(cause, Outcome.RETRY)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (certificate(62), "cert_hostname"),
        (certificate(18), "cert_self_signed"),
        (certificate(1), "cert_untrusted"),
        (handshake("WRONG_VERSION_NUMBER"), "tls_mode"),
        (handshake("TLSV1_ALERT_PROTOCOL_VERSION"), "tls_too_old"),
        (handshake("SOMETHING_ELSE"), "tls_failed"),
        (errors.ProtocolError("x", stage=Stage.GREETING), "not_smtp"),
    ],
)
def test_wrong_setting_is_known_by_what_the_handshake_says(error, cause):
    assert judge(error) == Judgement(cause, Outcome.FIX_PROFILE)


def test_openssl_calls_a_wrong_name_what_the_rule_does():
    rule = next(rule for rule in all_rules() if rule.id == "cert_hostname")
    # X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL 1.1.1 and 3.
    assert 62 in rule.verify_codes
    assert issubclass(errors.CertificateError, ssl.SSLCertVerificationError)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_error_that_says_nothing_keeps_the_transports_verdict(outcome):
    error = TransportError("x", stage=Stage.ACCEPTED, outcome=outcome)
    assert judge(error).outcome is outcome


@given(
    reply=st.text(max_size=3000) | st.from_regex(r"[245]\d\d [245]\.\d\.\d{1,3} .{0,200}"),
    stage=st.sampled_from(Stage),
    code=st.none() | st.integers(-1, 999),
    outcome=st.none() | st.sampled_from(Outcome),
    provider=st.sampled_from(["", "gmail", "ses", "zoho", "none of ours"]),
    host=st.sampled_from(["", "smtp.gmail.com", "mail.example.com"]) | st.text(max_size=20),
)
@example(SLOW * 3, Stage.CONTENT, 550, None, "", "")
@example("550 wait ٣٤ seconds, sending limit exceeded", Stage.CONTENT, 550, None, "", "")
def test_any_reply_at_any_stage_is_judged(reply, stage, code, outcome, provider, host):
    error = TransportError("x", stage=stage, outcome=outcome, code=code, reply=reply, host=host)
    judged = judge(error, provider)
    assert judged.cause in IDS
    assert isinstance(judged.outcome, Outcome)
    assert (judged.hold_seconds is not None) == (judged.outcome is Outcome.HOLD)
    assert judged.hold_seconds is None or 60 <= judged.hold_seconds <= 86_400
    assert judged.retry_after is None or (
        judged.outcome is Outcome.RETRY and 60 <= judged.retry_after <= 3600
    )
    assert (error.outcome is Outcome.AMBIGUOUS) == (judged.outcome is Outcome.AMBIGUOUS)
