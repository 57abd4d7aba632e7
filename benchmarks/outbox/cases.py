"""What is compared, and what must be reached; see `benchmarks.cases` for how a case is run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.cases import Case, Goal, Side

POST_OFFICE = "django-post-office"
MAILER = "django-mailer"
OURS = "mailsetup"
OURS_10 = "mailsetup, 10 in flight"
OURS_5 = "mailsetup, 5 connections"
OURS_5_10 = "mailsetup, 5 connections, 10 in flight"
OURS_16 = "mailsetup, 16 connections"
OURS_16_10 = "mailsetup, 16 connections, 10 in flight"
DATABASES = ("SQLite", "PostgreSQL")
# One process does one after the other; or a web site's stores and a worker's sends.
FIRST, MEANWHILE = "stored first, then sent", "sent while they are stored"

# Which side has to reach what, against django-post-office, in either arrangement: that whose
# profile asks for speed. How fast it is as it ships stands beside it in the tables.
LOOPBACK_GOALS = (Goal(OURS_10, 3, "10 in flight"),)
FAR_GOALS = (
    Goal(OURS_5_10, 5, "10 in flight, as many connections as django-post-office"),
    Goal(OURS_16_10, 20, "10 in flight, 16 connections"),
)
# What `send_mail` costs its caller, as a multiple of what nobody could spare.
CALLER_GOAL = 1.5


@dataclass(frozen=True)
class Sender(Side):
    """One that is compared.

    Args:
        connections: how many our worker uses at once, each by a thread; 2 is what ships.
        in_flight: contents that may be under way over one of our connections at once.
        database: one of `DATABASES`.
        meanwhile: whether a process of its own sends, while another one stores.
    """

    connections: int = 2
    in_flight: int = 1
    database: str = "SQLite"
    meanwhile: bool = False


LOOPBACK = (
    Sender(POST_OFFICE, "post_office", 500),
    Sender(MAILER, "mailer", 40),
    Sender(OURS, "ours", 2000),
    Sender(OURS_10, "ours", 2000, in_flight=10),
)
FAR = (
    Sender(POST_OFFICE, "post_office", 300),
    Sender(MAILER, "mailer", 8),
    Sender(OURS_5, "ours", 2000, connections=5),
    Sender(OURS_5_10, "ours", 2000, connections=5, in_flight=10),
    Sender(OURS_16, "ours", 2000, connections=16),
    Sender(OURS_16_10, "ours", 2000, connections=16, in_flight=10),
)


def _case(
    database: str,
    line: str,
    arrangement: str,
    sides: tuple[Sender, ...],
    goals: tuple[Goal, ...],
    rtt: float | None = None,
) -> Case:
    title = f"{database}, {line}, {arrangement}"
    meanwhile = arrangement == MEANWHILE
    return Case(
        title,
        tuple(replace(side, database=database, meanwhile=meanwhile) for side in sides),
        tuple(replace(goal, text=f"{title}: {goal.text}") for goal in goals),
        rtt=rtt,
        # A thread of ours that found nothing waits a second: few mails would tell of that most.
        loops=True,
    )


CASES = tuple(
    case
    for database in DATABASES
    for arrangement in (FIRST, MEANWHILE)
    for case in (
        _case(database, "loopback", arrangement, LOOPBACK, LOOPBACK_GOALS),
        _case(database, "20 ms", arrangement, FAR, FAR_GOALS, rtt=20),
    )
)
