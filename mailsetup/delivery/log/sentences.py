"""Sentences that are stored, and read by people of other languages than who wrote them.

Why a mail was not sent is stored in English, the server's words as they came: workers have no
reader, and the transport speaks English. Whoever shows it puts our own words into the reader's
language. A sentence that is not known here (a profile's wrong value, a database's error) stays as
it is.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from django.utils.translation import get_language, gettext, gettext_noop, override

_PLACE = re.compile(r"%\((\w+)\)[sd]")
# No server's name has a blank: so its words are never taken for a part of its name.
_VALUES = {"server": r"\S+?(?:, \w+ \d+,?)?", "host": r"\S+?", "address": r"\S+?"}

# Said after another sentence.
_DOUBT = gettext_noop("Whether the message was accepted is not known.")

# Ours: of delivery and of the profile's settings.
_OWN = (
    gettext_noop("The profile is set to “do not send”."),
    gettext_noop("Canceled by a person."),
    gettext_noop("The process that worked on this mail ended %(times)d times."),
    gettext_noop(
        "The process that sent this mail ended, or lost its claim, before the server's answer was "
        "written down. Whether the mail was accepted is not known."
    ),
    gettext_noop("What is stored of this mail cannot be used (%(reason)s)."),
    gettext_noop("The recipients of this mail are missing."),
    gettext_noop("The content of this mail cannot be opened with the keys of this site."),
    gettext_noop("The content of this mail is not kept any more."),
    gettext_noop("The file with the content of this mail cannot be read (%(reason)s)."),
    gettext_noop(
        "The mailer names the profile “%(profile)s” and a server of its own. Leave one out."
    ),
    gettext_noop(
        "This mailer has a server, username or password of its own: its mails can only be sent at "
        "once. Put the account into a profile to send them in the background."
    ),
    gettext_noop("The mail could not be put into the outbox (%(reason)s)."),
    gettext_noop("The tables of mailsetup are missing. Run: manage.py migrate"),
    gettext_noop(
        "No mail account is set up. Add one in the admin under “SMTP profiles”, or set "
        "MAILSETUP_DEFAULT_URL in the environment."
    ),
    gettext_noop("There is no SMTP profile named “%(slug)s”. The profiles are: %(names)s."),
    gettext_noop("The mail settings cannot be read from the database (%(reason)s)."),
    gettext_noop("The SMTP profile “%(profile)s” is switched off. Switch it on in the admin."),
    gettext_noop(
        "The SMTP profile “%(profile)s” is switched off by the variable %(variable)s in the "
        "environment; change it there."
    ),
    gettext_noop(
        "The profile “%(profile)s” would send its password unencrypted to %(host)s. Choose an "
        "encryption, or allow it in the form or by the variable MAILSETUP_…_ALLOW_PLAINTEXT."
    ),
    gettext_noop(
        "The password of the profile “%(profile)s” was entered for other settings (%(fields)s). "
        "Enter the password again."
    ),
    gettext_noop(
        "The password of the profile “%(profile)s” was entered for another profile. Enter the "
        "password again."
    ),
    gettext_noop(
        "The password of the profile “%(profile)s” cannot be opened with the keys of this site. "
        "Enter the password again."
    ),
    gettext_noop("The variable %(variable)s is empty. Put the password there."),
    gettext_noop(
        "Key %(number)d of MAILSETUP_KEYS is not a valid key. Bring back the whole one if it was "
        "cut off while copying: what it sealed needs it. Make a new one with: manage.py "
        "mailsetup_generate_key"
    ),
    gettext_noop("The profile “%(profile)s” has no password. Enter the password in the admin."),
)

# The transport's. What names a server may say its port, so that stands in one place with it.
_TRANSPORT = (
    gettext_noop("%(server)s refused the login: %(reply)s"),
    gettext_noop("%(server)s refused the sender %(address)s: %(reply)s"),
    gettext_noop("%(server)s refused the recipient %(address)s: %(reply)s"),
    gettext_noop("%(server)s refused all %(count)s recipients; one reply: %(reply)s"),
    gettext_noop("%(server)s refused the message: %(reply)s"),
    gettext_noop("%(server)s closes the connection: %(reply)s"),
    gettext_noop("%(server)s ended the conversation before it answered for this message."),
    gettext_noop("%(server)s did not welcome the connection: %(reply)s"),
    gettext_noop("%(server)s refused our greeting: %(reply)s"),
    gettext_noop("%(server)s refused STARTTLS: %(reply)s"),
    gettext_noop("%(server)s refused the connection."),
    gettext_noop("%(server)s did not answer in time."),
    gettext_noop("%(server)s could not be reached: %(reason)s."),
    gettext_noop("The name service did not tell the address of %(server)s in time."),
    gettext_noop("The address of %(server)s was not found: %(reason)s."),
    gettext_noop("The certificate of %(server)s is not trusted: %(reason)s."),
    gettext_noop("The TLS handshake with %(server)s did not finish in time."),
    gettext_noop("The TLS handshake with %(server)s failed: %(reason)s."),
    gettext_noop("%(server)s ended the connection during the TLS handshake."),
    gettext_noop("%(server)s sent more than its agreement to STARTTLS before the handshake."),
    gettext_noop("%(server)s: STARTTLS extension not supported by server."),
    gettext_noop("%(server)s: SMTP AUTH extension not supported by server."),
    gettext_noop("%(server)s offers no way to sign in with a password (it offers %(offered)s)."),
    gettext_noop("The connection to %(server)s is not encrypted."),
    gettext_noop("The connection to %(server)s is closed."),
    gettext_noop("The connection to %(server)s broke %(when)s: %(reason)s."),
    gettext_noop("The replies of %(server)s are out of step."),
    gettext_noop("%(server)s ended the connection %(when)s."),
    gettext_noop("%(server)s did not answer in time %(when)s."),
    gettext_noop("%(server)s did not take what was sent in time %(when)s."),
    gettext_noop("%(server)s sent something that is no SMTP reply %(when)s."),
    gettext_noop("%(server)s sent an endless line %(when)s."),
    gettext_noop("%(server)s sent an endless reply %(when)s."),
    gettext_noop("All %(count)s connections to %(server)s stayed in use."),
    gettext_noop("The message was taken back before it was sent."),
    gettext_noop("The message has no recipient it could be sent to."),
    gettext_noop("The message has %(count)s octets; %(server)s takes at most %(limit)s."),
    gettext_noop(
        "The message has international addresses in its headers, and %(server)s does not offer "
        "SMTPUTF8."
    ),
    gettext_noop("The address %(address)s needs SMTPUTF8, which %(server)s does not offer."),
    gettext_noop("The envelope sender is no mail address that may be sent."),
    gettext_noop("A recipient is no mail address that may be sent."),
    gettext_noop("The CA text holds no usable certificate (%(reason)s)."),
    gettext_noop("The client certificate or its key could not be loaded (%(reason)s)."),
    gettext_noop("The host is not a host name or an IP address."),
    gettext_noop("The port is not a number from 1 to 65535."),
    gettext_noop("The EHLO name is not a host name or an address literal."),
    gettext_noop("The username holds a control character."),
    gettext_noop("The timeout is not a positive number of seconds."),
    gettext_noop("The account signs in, but its username is empty."),
    gettext_noop("The account signs in, but its password is empty."),
    gettext_noop("The password holds a NUL character, which no server can be told."),
    gettext_noop("The username or the password is not valid text."),
)

# What stands in the place of a value, and is ours too.
_PHRASES = {
    "when": (
        gettext_noop("before its greeting"),
        gettext_noop("after its greeting"),
        gettext_noop("at the start of TLS"),
        gettext_noop("during the login"),
        gettext_noop("when it was told the sender"),
        gettext_noop("when it was told the recipients"),
        gettext_noop("before it accepted the message"),
        gettext_noop("after it accepted the message"),
    ),
    "server": (gettext_noop("%(host)s, port %(port)s"),),
    "fields": (
        gettext_noop("SMTP host"),
        gettext_noop("port"),
        gettext_noop("encryption"),
        gettext_noop("verify certificates"),
        gettext_noop("CA certificate"),
        gettext_noop("username"),
        gettext_noop("authentication"),
    ),
}


def in_english(text: str, language: str | None = None) -> str:
    """Return sentences of ours as they are stored.

    Args:
        text: a sentence, or several, each on its line.
        language: what they were written in; by default the language in force.
    """
    return _turned(text, language or get_language() or "en", "en")


def shown(text: str) -> str:
    """Return what is stored as the reader in whose language the page is reads it."""
    return _turned(text, "en", get_language() or "en")


def _turned(text: str, written: str, read: str) -> str:
    if written.partition("-")[0] == read.partition("-")[0]:
        return text
    return "\n".join(_line(line, written, read) for line in text.split("\n"))


def _line(text: str, written: str, read: str) -> str:
    found = _find(_OWN, text, written, read)
    if found is not None:
        return found
    doubt = _in(written, _DOUBT)
    if text.endswith(f" {doubt}"):
        sentence = _line(text.removesuffix(f" {doubt}"), written, read)
        return f"{sentence} {_in(read, _DOUBT)}"
    return _find(_TRANSPORT, text, written, read) or text


def _find(sentences: tuple[str, ...], text: str, written: str, read: str) -> str | None:
    """Return *text* in the other language, if it is one of *sentences*; else None."""
    for source, words, pattern in _patterns(sentences, written):
        # Looking for a text is cheaper than trying a pattern, and nearly all are not it.
        if words in text and (match := pattern.fullmatch(text)):
            sentence = _in(read, source)
            if sentence == _in(written, source):
                return text
            return _filled(sentence, match.groupdict(), written, read)
    return None


def _filled(sentence: str, values: dict[str, str], written: str, read: str) -> str:
    """Put values into the places of a sentence."""
    return _PLACE.sub(lambda place: _phrase(place[1], values[place[1]], written, read), sentence)


def _phrase(name: str, text: str, written: str, read: str) -> str:
    if name not in _PHRASES:
        return text
    # “a.example, port 25,” in the middle of a sentence.
    bare = text.removesuffix(",")
    parts = bare.split(", ") if name == "fields" else [bare]
    return ", ".join(_find(_PHRASES[name], part, written, read) or part for part in parts)


@lru_cache(maxsize=64)
def _patterns(
    sentences: tuple[str, ...], language: str
) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Return each sentence's source, its longest piece, and the pattern of it in a language."""
    return tuple((source, *_pattern(_in(language, source))) for source in sentences)


def _pattern(sentence: str) -> tuple[str, re.Pattern[str]]:
    places = [*_PLACE.finditer(sentence)]
    pieces = _PLACE.split(sentence)
    words = max(pieces[::2], key=len)
    return words, re.compile("".join(_parts(pieces, len(places))), re.DOTALL)


def _parts(pieces: list[str], places: int) -> Iterator[str]:
    for number in range(places):
        name = pieces[2 * number + 1]
        yield re.escape(pieces[2 * number])
        yield f"(?P<{name}>{_VALUES.get(name, '.*?')})"
    yield re.escape(pieces[-1])


def _in(language: str, source: str) -> str:
    with override(language):
        return gettext(source)
