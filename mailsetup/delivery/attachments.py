"""Large attachments, written past the standard library's serialiser.

On its way through Python's MIME classes a binary attachment is held many times over: as text, as
base64, line by line. Here a large one is set aside, the message is serialised with a few octets in
its place, and the base64 of the content is written where theirs stood. The octets are the same.

Messages of other classes than Django's own are left alone: what they do to their content (sign
it, say) must see the content.
"""

import copy
import struct
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from io import BytesIO
from secrets import token_bytes
from typing import Final

from django.core.mail import EmailMessage, EmailMultiAlternatives

# Below it there is little to gain.
LARGE: Final = 65_536

# Base64 makes 4 characters of 3 octets; 57 octets fill a line of 76 (RFC 2045 section 6.8).
_GROUP: Final = 1024
_LINES: Final = struct.Struct("76s" * _GROUP)
# Their content goes out as it is, not in base64.
_NOT_BASE64: Final = {"text", "message", "multipart"}


def serialise(message: EmailMessage, render: Callable[[EmailMessage], bytes]) -> bytes:
    """Return what *render* makes of a message, with CRLF line ends.

    Args:
        message: what to serialise; it is not changed.
        render: serialises a message, with CRLF line ends.
    """
    large = {
        index: attachment
        for index, attachment in enumerate(message.attachments or ())
        if _is_large(attachment)
    }
    if not large or type(message) not in {EmailMessage, EmailMultiAlternatives}:
        return render(message)
    attachments = list(message.attachments)
    marks: list[tuple[bytes, bytes]] = []
    for index, (filename, content, mimetype) in large.items():
        # What takes its place cannot occur by chance.
        stand_in = token_bytes(24)
        attachments[index] = (filename, stand_in, mimetype)
        marks.append((b64encode(stand_in), content))
    prepared = copy.copy(message)
    prepared.attachments = attachments
    filled = _filled_in(render(prepared), marks)
    return render(message) if filled is None else filled


def _is_large(attachment: object) -> bool:
    if not isinstance(attachment, tuple) or len(attachment) != 3:
        return False
    _, content, mimetype = attachment
    return (
        isinstance(content, bytes)
        and len(content) >= LARGE
        and isinstance(mimetype, str)
        and mimetype.partition("/")[0].lower() not in _NOT_BASE64
    )


def _filled_in(rendered: bytes, marks: list[tuple[bytes, bytes]]) -> bytes | None:
    """Put the contents where their marks stand; None where the site encodes in another way."""
    filled = BytesIO()
    for mark, content in marks:
        before, found, rendered = rendered.partition(mark)
        if not found:
            return None
        filled.write(before)
        for piece in _base64(content):
            filled.write(piece)
    filled.write(rendered)
    return filled.getvalue()


def _base64(content: bytes) -> Iterator[bytes]:
    """Return base64 in lines of 76, without the last line's end."""
    octets = memoryview(content)
    step = 57 * _GROUP
    # The last line may be the end of a whole group, and is kept for behind the loop.
    whole = (len(octets) - 1) // step * step
    for start in range(0, whole, step):
        text = b2a_base64(octets[start : start + step], newline=False)
        yield b"\r\n".join(_LINES.unpack(text)) + b"\r\n"
    text = b2a_base64(octets[whole:], newline=False)
    yield b"\r\n".join([text[start : start + 76] for start in range(0, len(text), 76)])
