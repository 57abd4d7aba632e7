"""Errors are what code catches today, survive a pickle and judge by stage and code."""

from __future__ import annotations

import copy
import pickle
import smtplib
import socket
import ssl

import pytest

from mailsetup.smtp import Outcome, Stage, errors
from mailsetup.smtp.errors import TransportError, judge

STOCK = {
    "CertificateError": (ssl.SSLCertVerificationError, ssl.SSLError),
    "ConnectTimeoutError": (TimeoutError, ConnectionError),
    "ConnectionLostError": (smtplib.SMTPServerDisconnected,),
    "ContentRefusedError": (smtplib.SMTPDataError, smtplib.SMTPResponseException),
    "GreetingError": (smtplib.SMTPConnectError,),
    "HandshakeError": (ssl.SSLError,),
    "HandshakeTimeoutError": (ssl.SSLError, TimeoutError),
    "HeloRefusedError": (smtplib.SMTPHeloError,),
    "InvalidAccountError": (ValueError,),
    "InvalidAddressError": (ValueError,),
    "LoginRefusedError": (smtplib.SMTPAuthenticationError,),
    "NameLookupError": (socket.gaierror,),
    "NameLookupTimeoutError": (socket.gaierror, TimeoutError),
    "NotOfferedError": (smtplib.SMTPNotSupportedError,),
    "PoolTimeoutError": (TimeoutError,),
    "ProtocolError": (smtplib.SMTPServerDisconnected,),
    "RecipientsRefusedError": (smtplib.SMTPRecipientsRefused,),
    "RefusedConnectionError": (ConnectionRefusedError,),
    "ReplyTimeoutError": (smtplib.SMTPServerDisconnected, TimeoutError),
    "SenderRefusedError": (smtplib.SMTPSenderRefused,),
    "StartTLSRefusedError": (smtplib.SMTPResponseException,),
    "TooLargeError": (smtplib.SMTPDataError,),
    "TransportError": (smtplib.SMTPException, OSError),
    "UnreachableError": (ConnectionError,),
    "WithdrawnError": (OSError,),
}


def test_every_error_has_its_stock_classes_listed():
    kinds = {name for name in errors.__all__ if name.endswith("Error")}
    assert kinds == set(STOCK)


@pytest.mark.parametrize("name", STOCK)
def test_error_is_also_what_code_catches_today(name):
    kind = getattr(errors, name)
    error = kind(
        "mx.example.com refused something: 550 5.1.1 no.",
        stage=Stage.RECIPIENT,
        code=550,
        enhanced_code="5.1.1",
        reply="550 5.1.1 no",
        host="mx.example.com",
        port=25,
        errno=111,
    )
    for stock in (*STOCK[name], smtplib.SMTPException, OSError, TransportError):
        assert isinstance(error, stock)
    assert str(error) == "mx.example.com refused something: 550 5.1.1 no."
    assert error.errno == 111
    assert (error.smtp_code, error.smtp_error) == (550, b"5.1.1 no")
    assert error.outcome is Outcome.FAILED_RECIPIENT
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
        assert twin.errno == 111


@pytest.mark.parametrize(
    ("stage", "code", "outcome"),
    [
        (Stage.CONNECT, None, Outcome.RETRY),
        (Stage.CONTENT, None, Outcome.RETRY),
        (Stage.GREETING, 554, Outcome.FIX_PROFILE),
        (Stage.EHLO, 550, Outcome.FIX_PROFILE),
        (Stage.LOGIN, 454, Outcome.RETRY),
        (Stage.LOGIN, 535, Outcome.STOP_PROFILE),
        (Stage.SENDER, 450, Outcome.RETRY),
        (Stage.SENDER, 550, Outcome.FIX_PROFILE),
        (Stage.SENDER, 552, Outcome.FAILED_MESSAGE),
        (Stage.RECIPIENT, 421, Outcome.RETRY),
        (Stage.RECIPIENT, 550, Outcome.FAILED_RECIPIENT),
        (Stage.RECIPIENT, 552, Outcome.RETRY),
        (Stage.CONTENT, 451, Outcome.RETRY),
        (Stage.CONTENT, 554, Outcome.FAILED_MESSAGE),
    ],
)
def test_stage_and_code_decide_the_outcome(stage, code, outcome):
    assert judge(stage, code) is outcome
