"""The figures as a table."""

from __future__ import annotations

from collections.abc import Mapping

from .killing import PLACES, Killed
from .oracle import Findings


def kill_table(title: str, killed: Killed, findings: Mapping[str, Findings], orphans: int) -> str:
    """Return the table of one database, in Markdown."""
    head = [title, *findings]
    rows = [[f"killed: {place}", *(killed.at[one][place] for one in findings)] for place in PLACES]
    found = findings.values()
    rows = [
        ["mails", *(one.mails for one in found)],
        *rows,
        ["lost", *(len(one.lost) + len(one.stuck) for one in found)],
        ["accepted twice or more", *(one.twice for one in found)],
        ["of these, not marked as in doubt", *(len(one.unmarked) for one in found)],
        ["attempts marked as in doubt", *(one.in_doubt for one in found)],
        ["mails kept and shown as not known", *(one.shown for one in found)],
        ["of these, accepted", *(one.arrived for one in found)],
        ["set aside", *(one.set_aside for one in found)],
        ["of these, at fewer than three killed workers", *(len(one.wronged) for one in found)],
        ["states that no attempt explains", *(len(one.untold) for one in found)],
        ["content files left behind by kills", orphans, ""],
        ["seconds: kills, rest", "{:.0f}, {:.0f}".format(*killed.seconds), ""],
    ]
    lines = [head, ["---", *("---:" for _ in findings)], *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
