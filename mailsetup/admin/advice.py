"""Words for the failure page: the stages by name, what a failure at each means, what to do.

It goes by stage and the error's class, and by the cause that :mod:`mailsetup.diagnosis` read in the
server's words. Reading these is not its own job.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from mailsetup import diagnosis, providers
from mailsetup.delivery.testmail import SETTINGS_STAGE
from mailsetup.smtp.errors import Outcome, Stage

STAGE_LABELS = {
    SETTINGS_STAGE: gettext_lazy("Settings"),
    Stage.DNS: gettext_lazy("Find the server"),
    Stage.CONNECT: gettext_lazy("Connect"),
    Stage.TLS: gettext_lazy("Encrypt"),
    Stage.GREETING: gettext_lazy("Greeting"),
    Stage.EHLO: gettext_lazy("Introduce"),
    Stage.LOGIN: gettext_lazy("Log in"),
    Stage.SENDER: gettext_lazy("Sender"),
    Stage.RECIPIENT: gettext_lazy("Recipient"),
    Stage.CONTENT: gettext_lazy("Content"),
    Stage.ACCEPTED: gettext_lazy("Accepted"),
}


# Servers tell of the sender at whatever stage they look at it.
_ABOUT_SENDER = {"ms_sendas", "sender_not_owned", "sender_unverified", "zoho_relay"}


@dataclass(frozen=True, slots=True)
class Advice:
    """The cause of a failure and the next steps, in the reader's language."""

    cause: str
    steps: list[str] = field(default_factory=list)
    link: str = ""
    link_label: str = ""


def stage_label(stage: str) -> str:
    """Return a stage's name for people."""
    return str(STAGE_LABELS.get(stage, stage))


def ladder(*, encryption: str, login: str, check_only: bool) -> list[str]:
    """Return the stages that a test goes through, in order."""
    stages = [Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.EHLO]
    if encryption == "tls":
        stages.insert(2, Stage.TLS)
    elif encryption == "starttls":
        stages.append(Stage.TLS)
    if login != "none":
        stages.append(Stage.LOGIN)
    if not check_only:
        stages += [Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT, Stage.ACCEPTED]
    return [str(stage) for stage in stages]


def advise(failure: dict[str, Any]) -> Advice:
    """Return the cause of a failed test and what to do next.

    Args:
        failure: what :mod:`mailsetup.admin.results` keeps of a test.
    """
    stage = failure["stage"]
    if stage == SETTINGS_STAGE:
        # An error of ours: its sentence says what to do, in the reader's language.
        return Advice(
            _("The settings do not allow it, so no server was asked."), [failure["sentence"]]
        )
    if failure["timed_out"]:
        return _timeout(failure)
    usual = _BY_STAGE[stage](failure)
    rule = diagnosis.find(failure.get("cause", ""))
    return usual if rule is None or not rule.is_particular else _told(failure, rule.id, usual)


def _told(failure: dict[str, Any], cause: str, usual: Advice) -> Advice:
    """Put what the server's words tell in the place of what the stage makes one think of."""
    outcome = failure["outcome"]
    if outcome == Outcome.HOLD:
        usual = Advice(
            "",
            [
                _("Wait until the limit is over: most are counted by the hour or by the day."),
                _("Ask the provider for a higher limit, or send by another account."),
            ],
        )
    elif outcome == Outcome.RETRY:
        usual = Advice(
            "", [_("Wait some minutes and test again: servers turn callers away for a while.")]
        )
    elif outcome == Outcome.STOP_PROFILE:
        usual = _login(failure)
    elif cause in _ABOUT_SENDER:
        usual = _sender(failure)
    return replace(usual, cause=f"{diagnosis.title(cause, get_language() or 'en')}.")


def _timeout(failure: dict[str, Any]) -> Advice:
    port = failure["port"]
    if failure["stage"] == Stage.GREETING and failure["encryption"] != "tls":
        # A connection came about, so no firewall is in the way: each side waits for the other.
        return Advice(
            _("The server took the connection on port %(port)s and said nothing.") % {"port": port},
            [
                _(
                    "It probably wants TLS from the start on this port, as on port 465: choose "
                    "“TLS” under “encryption”."
                ),
                _("Check the host and the port with your provider's instructions."),
                _("If the server is slow, allow more seconds under “timeout”."),
            ],
        )
    steps = [
        _("Check the host and the port with your provider's instructions."),
        _("Ask your hosting company whether it blocks port %(port)s for outgoing mail.")
        % {"port": port},
    ]
    if port != 587:
        steps.append(_("Try port 587 with STARTTLS: it is open nearly everywhere."))
    steps.append(_("If the server is slow, allow more seconds under “timeout”."))
    return Advice(_("The server did not answer in time."), steps)


def _dns(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("There is no server named “%(host)s”, or its name could not be looked up.")
        % {"host": failure["host"]},
        [
            _("Check the spelling of the host."),
            _("If the name is right, this site's computer cannot reach the name service (DNS)."),
        ],
    )


def _connect(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("The server does not take connections on port %(port)s.") % {"port": failure["port"]},
        [
            _("Check the port: most often 587 with STARTTLS, or 465 with TLS from the start."),
            _("Check that the server runs and that no firewall is in between."),
        ],
    )


def _tls(failure: dict[str, Any]) -> Advice:
    if failure["error"] == "CertificateError":
        return Advice(
            _("The server's certificate could not be trusted, so nothing was sent to it."),
            [
                _("Check the host: it must be the name that stands in the certificate."),
                _(
                    "If the server uses a certificate of your own authority, paste that "
                    "authority's certificate into “CA certificate”."
                ),
                _("If the certificate has expired, the server's operator has to renew it."),
            ],
        )
    if failure["error"] == "NotOfferedError":
        return Advice(
            _("The server does not offer STARTTLS on port %(port)s.") % {"port": failure["port"]},
            [_("Try TLS from the start with port 465, or STARTTLS with port 587.")],
        )
    return Advice(
        _("No encrypted connection came about: port and encryption do not seem to match."),
        [
            _("TLS from the start belongs to port 465, STARTTLS to port 587."),
            _("Very old servers speak only versions of TLS that are refused today."),
        ],
    )


def _greeting(failure: dict[str, Any]) -> Advice:
    steps = [_("Wait some minutes and test again: servers turn callers away for a while.")]
    if failure["encryption"] != "tls":
        steps.insert(
            0, _("Check port and encryption: a server on port 465 wants TLS from the start.")
        )
    return Advice(_("The server did not greet as a mail server does."), steps)


def _ehlo(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("The server did not accept the name by which this site introduces itself."),
        [_("Put this site's full host name, such as www.example.com, into “EHLO name”.")],
    )


def _login(failure: dict[str, Any]) -> Advice:
    if failure["error"] == "NotOfferedError":
        return Advice(
            _("The server offers no login by username and password on this connection."),
            [
                _("Check port and encryption: most servers offer it only when encrypted."),
                _("If the server needs no login, set “authentication” to “No login”."),
            ],
        )
    provider = providers.get(failure["provider"]) if failure["provider"] else None
    language = get_language() or "en"
    steps = [_("Check the username: it is most often the full e-mail address.")]
    if provider is not None and provider.secret_kind != "none":  # noqa: S105 - a kind
        hints = [provider.text("username_hint", language), provider.text("secret_hint", language)]
        steps = [hint for hint in hints if hint] or steps
        steps += provider.steps_in(language)
        return Advice(
            _("%(provider)s did not accept the username and password.")
            % {"provider": provider.text("name", language)},
            steps,
            link=provider.secret_url,
            link_label=(
                _("Where the password is made")
                if provider.makes_secret
                else _("Open the account at the provider")
            ),
        )
    steps += [
        _("Type the password again; a password stored by a browser may be another one."),
        _("Some providers want an app password, made for this site alone."),
    ]
    return Advice(_("The server did not accept the username and password."), steps)


def _sender(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("The server does not let this account send as the From email."),
        [
            _("Set the From email to the account's own address."),
            _("Or allow the address in the account's settings at the provider."),
        ],
    )


def _recipient(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("The server does not take mail for “%(to)s”.") % {"to": failure["to"]},
        [
            _("Check the address, or test with another one."),
            _("“Relay” in the answer means: the server wants a login first."),
        ],
    )


def _content(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("The server took the addresses and refused the mail itself."),
        [
            _("Its answer below tells why: most often a limit, or a suspicion of spam."),
            _("Check that the From email belongs to the account."),
        ],
    )


def _accepted(failure: dict[str, Any]) -> Advice:
    return Advice(
        _("The connection ended before the server confirmed the mail. It may have arrived."),
        [_("Look into the inbox before you test again.")],
    )


_BY_STAGE = {
    Stage.DNS: _dns,
    Stage.CONNECT: _connect,
    Stage.TLS: _tls,
    Stage.GREETING: _greeting,
    Stage.EHLO: _ehlo,
    Stage.LOGIN: _login,
    Stage.SENDER: _sender,
    Stage.RECIPIENT: _recipient,
    Stage.CONTENT: _content,
    Stage.ACCEPTED: _accepted,
}
