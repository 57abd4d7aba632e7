"""Compares what was handed over, what the server accepted, and what the outbox says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .site import Lab


@dataclass
class Findings:
    """How the mails of one policy ended.

    Attributes:
        mails: handed over.
        accepted: by the server, once or more.
        lost: neither accepted nor shown as not known; or accepted, it is said, and were not.
        stuck: not settled at the end.
        twice: accepted more than once.
        unmarked: of these, more often than there are attempts of which nobody knew.
        in_doubt: attempts of which nobody knew.
        shown: mails kept and shown as not known.
        arrived: of these, accepted.
        set_aside: mails given up because their workers ended.
        wronged: of these, with fewer than three such ends.
        untold: states that the attempts do not explain.
    """

    mails: int = 0
    accepted: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    twice: int = 0
    unmarked: list[str] = field(default_factory=list)
    in_doubt: int = 0
    shown: int = 0
    arrived: int = 0
    set_aside: int = 0
    wronged: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.stuck or self.unmarked or self.untold or self.wronged)


def compare(lab: Lab, policy: str) -> Findings:
    """Return how the mails of a policy ended."""
    from mailsetup.delivery.outbox.sweep import MOST_CRASHES  # noqa: PLC0415 - once Django is set up
    from mailsetup.models import Message  # noqa: PLC0415

    times = Counter(lab.accepted())
    rows = {
        row.message_id: row
        for row in Message.objects.filter(requested=policy)
        .defer("content")
        .prefetch_related("attempts")
    }
    found = Findings()
    for message_id in lab.expected[policy]:
        row = rows.get(message_id)
        _look(found, message_id, times[message_id], row)
        if row is not None and row.state == "set_aside" and lab.ends[message_id] < MOST_CRASHES:
            found.wronged.append(f"{message_id}: {lab.ends[message_id]} of its workers were killed")
    return found


def _look(found: Findings, message_id: str, times: int, row: object | None) -> None:
    found.mails += 1
    found.accepted += times > 0
    if row is None:
        found.lost.append(f"{message_id}: no row")
        return
    state = str(row.state)
    outcomes = [one.outcome for one in row.attempts.all()]
    doubts = outcomes.count("ambiguous")
    found.in_doubt += doubts
    if times > 1:
        found.twice += 1
        if row.requested == "hold" or times > 1 + doubts:
            found.unmarked.append(f"{message_id}: {times} times, {state}, {outcomes}")
    if state == "ambiguous":
        found.shown += 1
        found.arrived += times > 0
        if not (row.needs_attention and doubts):
            found.untold.append(f"{message_id}: not shown, {outcomes}")
    elif state == "sent":
        if not times:
            found.lost.append(f"{message_id}: said to be sent, {outcomes}")
        elif outcomes[-1:] != ["sent"]:
            found.untold.append(f"{message_id}: sent, {outcomes}")
    elif state in {"queued", "sending"}:
        found.stuck.append(f"{message_id}: {state}, {times} times, {outcomes}, {row.reason}")
    elif state == "set_aside":
        found.set_aside += 1
    else:
        found.lost.append(f"{message_id}: {state}, {times} times, {outcomes}, {row.reason}")


def orphans(lab: Lab) -> int:
    """Return how many files hold a content that no row names any more."""
    from mailsetup.models import Message  # noqa: PLC0415 - once Django is set up

    folder = lab.folder / "content"
    files = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    return len(files - set(Message.objects.values_list("content_file", flat=True)))


def tell(findings: Iterable[tuple[str, Findings]]) -> list[str]:
    """Return what is wrong, a line each."""
    lines = []
    for policy, found in findings:
        for what in ("lost", "stuck", "unmarked", "wronged", "untold"):
            lines += [f"{policy}: {what}: {one}" for one in getattr(found, what)]
    return lines
