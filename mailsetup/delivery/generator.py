"""Python's serialiser of messages, without what takes it long and changes nothing.

It writes a body line by line; here a body gets its line ends at once. It compiles a pattern for
each boundary it draws, to look for it in all parts; a boundary that occurs nowhere needs none. The
octets are the same.
"""

from email.generator import BytesGenerator
from email.message import EmailMessage, Message
from email.policy import Policy
from io import BytesIO


class _Generator(BytesGenerator):
    def _write_lines(self, lines: str) -> None:
        if "\r" in lines:
            lines = lines.replace("\r\n", "\n").replace("\r", "\n")
        self.write(lines.replace("\n", self._NL))

    @classmethod
    def _make_boundary(cls, text: bytes | None = None) -> str:
        boundary = super()._make_boundary()
        if text is None or boundary.encode("ascii") not in text:
            return boundary
        return super()._make_boundary(text)


def as_bytes(mime: Message) -> bytes:
    """Return what the ``as_bytes()`` of a message does.

    Args:
        mime: of the class that Django uses from 6.0 on; what is of another class serialises
            itself.
    """
    return flattened(mime, mime.policy) if type(mime) is EmailMessage else mime.as_bytes()


def flattened(mime: Message, policy: Policy) -> bytes:
    """Return a message as *policy* writes it, lines that begin with "From" as they are."""
    written = BytesIO()
    _Generator(written, mangle_from_=False, policy=policy).flatten(mime)
    return written.getvalue()
