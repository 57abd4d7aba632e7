"""Short headers, written past the standard library's folding.

With the mail classes that Django has before 6.0, folding headers takes longer than all the rest of
a small mail. A short line of plain ASCII has nothing to fold: it is written as it stands. The
octets are the same.
"""

import email.policy
import re
from email.message import Message
from typing import Any, Final, Self

from django.core.mail.message import SafeMIMEMultipart, SafeMIMEText

from mailsetup.delivery import generator

# Words of printable ASCII with single blanks between them.
_PLAIN: Final = re.compile(r"[!-~]+(?: [!-~]+)*")
# Name, colon, blank and value stay below the 78 characters of RFC 5322 section 2.1.1.
_SHORT: Final = 74
# The one longer header of every mail with HTML, with the boundary that the generator draws.
_PARTS: Final = re.compile(r'(multipart/(?:alternative|related);) (boundary="={15}[0-9]{19}==")')


class _Policy(email.policy.Compat32):
    def clone(self, **changes: Any) -> Self:
        # The generator asks for one with the same line ends, for each part.
        return self if changes == {"linesep": self.linesep} else super().clone(**changes)

    def fold_binary(self, name: str, value: Any) -> bytes:
        if type(value) is str:
            if len(name) + len(value) <= _SHORT and _PLAIN.fullmatch(value):
                return f"{name}: {value}\r\n".encode("ascii")
            if name == "Content-Type" and (parts := _PARTS.fullmatch(value)):
                return f"{name}: {parts[1]}\r\n {parts[2]}\r\n".encode("ascii")
        return super().fold_binary(name, value)


_POLICY: Final = _Policy(linesep="\r\n")


def as_bytes(mime: Message) -> bytes:
    """Return what the ``as_bytes()`` of a message does, with CRLF line ends.

    Args:
        mime: of Django's own classes; what is of another class serialises itself.
    """
    if (
        type(mime) not in {SafeMIMEText, SafeMIMEMultipart}
        or mime.policy is not email.policy.compat32
    ):
        return mime.as_bytes(linesep="\r\n")
    return generator.flattened(mime, _POLICY)
