"""The mails that the site of these tests sends: their text follows from name and size."""

from __future__ import annotations

SENDER = "shop@example.com"
RECIPIENT = "bob@example.com"


def subject(name: str, pid: int) -> str:
    """Return a subject that tells the mail, and the process that sends it."""
    return f"{name} {pid}"


def body(name: str, size: int) -> str:
    """Return at least *size* octets of lines that name their mail, some of them dots.

    No line is so long that the mail would be encoded on its way.
    """
    lines: list[str] = []
    length = 0
    while length < size:
        number = len(lines)
        line = "." * (number % 3) + f"{name} dòng {number} " * (2 + number % 2)
        lines.append("." if number % 7 == 5 else line.rstrip())
        length += len(lines[-1].encode()) + 1
    return "\n".join(lines) + "\n"
