"""Kills workers at chosen places while they send, then lets them finish."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from .site import POLICIES, Lab

# Where the message is at which its worker is killed.
PLACES = ("claimed", "envelope", "content", "after the dot", "settling")
WORKERS = 4
# Seconds to wait for somebody to be caught before more mails are handed over.
_WAIT = 3.0
# Seconds until everything has to be settled after the last kill: the retry of a mail sent again is
# due after a minute, and a sweep that was killed is missed by then.
_FINISH = 420.0


@dataclass
class Killed:
    """What was done.

    Attributes:
        at: how many workers were killed at each place, by policy.
        seconds: how long the kills took, and how long the rest after them.
    """

    at: dict[str, dict[str, int]] = field(
        default_factory=lambda: {policy: dict.fromkeys(PLACES, 0) for policy in POLICIES}
    )
    seconds: tuple[float, float] = (0.0, 0.0)


def run(lab: Lab, *, mails: int, kills: int, seed: int) -> Killed:
    """Send *mails* by each profile, and kill *kills* workers at mails of each.

    Args:
        lab: the site.
        mails: how many for each policy; more where few of them come to the chosen places.
        kills: how many for each policy; each place gets as many.
        seed: of the order, and of the moments.
    """
    chance = random.Random(seed)
    plan = [(policy, PLACES[nth % 5]) for policy in POLICIES for nth in range(kills)]
    chance.shuffle(plan)
    began = time.monotonic()
    for _ in range(WORKERS):
        lab.start_worker()
    killed = Killed()
    for policy, place in plan:
        _kill_one(lab, policy, place, mails * 4 // (kills * 5), chance)
        killed.at[policy][place] += 1
    for policy in POLICIES:
        lab.put(policy, max(0, mails - len(lab.expected[policy])))
    middle = time.monotonic()
    _wait_until_settled()
    lab.stop_workers()
    killed.seconds = (middle - began, time.monotonic() - middle)
    return killed


def _kill_one(lab: Lab, policy: str, place: str, share: int, chance: random.Random) -> None:
    """Hand some mails over and kill the worker of one of them at a place."""
    name = f"{policy}.example {place}"
    facts = None
    try:
        while facts is None:
            # While the trap is not set: who is met while settling may hold SQLite's write lock.
            lab.put(policy, share, large=place == "content")
            lab.traps.set(name)
            facts = lab.traps.caught(name, _WAIT)
            if facts is None and not lab.traps.take_back(name):
                facts = lab.traps.caught(name, _WAIT)
            if facts is None:
                # All connections may offer what does not pass this place, and are kept.
                lab.replace_worker()
            share = 5
        time.sleep(chance.uniform(0, 0.05))
        lab.kill(facts["pid"] if "pid" in facts else lab.owner(facts["port"]))
    finally:
        lab.traps.clear(name)


def _wait_until_settled() -> None:
    from mailsetup.models import Message, State  # noqa: PLC0415 - once Django is set up

    until = time.monotonic() + _FINISH
    open_states = [State.QUEUED, State.SENDING]
    while Message.objects.filter(state__in=open_states).exists():
        if time.monotonic() > until:
            # The comparison tells which.
            return
        time.sleep(0.5)
