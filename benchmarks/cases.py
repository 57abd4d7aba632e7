"""What is measured, and what it must reach.

A case compares sides in alternating rounds: each round runs every side once, and ratios are taken
within a round, so that whatever else the computer does meets all of them. The first side is what
the others are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One way to send.

    Args:
        label: how the report names it.
        name: the name in `benchmarks.sides`, or "smtp-source"; "x10" at its end is the number of
            connections that it uses at once by itself.
        count: mails a round.
        backend: Django's backend or ours, for the sides that go through Django.
        log: what ours writes down: "off" or "envelope".
    """

    label: str
    name: str
    count: int
    backend: str = "mailsetup"
    log: str = "off"


@dataclass(frozen=True)
class Goal:
    """What the ratio of one side to the first one must reach.

    Args:
        label: of the side.
        least: the ratio, in mails a second.
        round_trips: the most round trips a mail, where they are counted.
        text: the work, for the table.
    """

    label: str
    least: float
    text: str
    round_trips: float | None = None


@dataclass(frozen=True)
class Case:
    """A comparison.

    Args:
        title: for the report.
        sides: what is compared; the first is the measure.
        kind: of mail: "text", "html" or "attachment".
        rtt: milliseconds added to each round trip; None goes straight to the server.
        chunking: whether the server offers CHUNKING.
        secure: STARTTLS and login.
        threads: how many send at the same time.
        sink: whose server: "ours", or Postfix's "smtp-sink".
        rounds: the most rounds, for a case that takes long.
        loops: whether a quick run sends as many mails a round. The first one of a round finds a
            connection that has rested, and takes two flights: in a loop of ten it would tell of
            pauses more than of loops.
    """

    title: str
    sides: tuple[Side, ...]
    goals: tuple[Goal, ...] = ()
    kind: str = "text"
    rtt: float | None = None
    chunking: bool = True
    secure: bool = True
    threads: int = 1
    sink: str = "ours"
    rounds: int | None = None
    loops: bool = False


DJANGO = "Django send_mail"
OURS = "mailsetup send_mail"
LOGGED = "mailsetup send_mail, written down"
OURS_BATCH = "mailsetup send_messages"
DJANGO_BATCH = "Django send_messages"
READY = "mailsetup, ready bytes"
SMTPLIB = "smtplib, ready bytes"
AIO = "aiosmtplib, ready bytes"
AIO_10 = "aiosmtplib, 10 connections"
AIO_16 = "aiosmtplib, 16 connections"
SOURCE = "smtp-source, 1 session"


def _peers(*counts: int) -> tuple[Side, ...]:
    """Return all sides, with the number of mails a round for each."""
    names = (
        (DJANGO, "send_mail", "django"),
        (OURS, "send_mail", "mailsetup"),
        (DJANGO_BATCH, "send_messages", "django"),
        (OURS_BATCH, "send_messages", "mailsetup"),
        (SMTPLIB, "smtplib", "django"),
        (AIO, "aiosmtplib", "django"),
        (AIO_10, "aiosmtplib x10", "django"),
        (READY, "bare", "mailsetup"),
    )
    return tuple(
        Side(label, name, count, backend)
        for (label, name, backend), count in zip(names, counts, strict=True)
    )


def _logged(count: int) -> Side:
    return Side(LOGGED, "logged", count, log="envelope")


def _pair(django: int, ours: int) -> tuple[Side, ...]:
    return Side(DJANGO, "send_mail", django, "django"), Side(OURS, "send_mail", ours)


CASES: tuple[Case, ...] = (
    Case(
        "STARTTLS and login, loopback",
        (*_peers(20, 600, 300, 600, 300, 300, 600, 1000), _logged(600)),
        (
            Goal(OURS, 50, "`send_mail` in a loop, STARTTLS + login, loopback"),
            Goal(LOGGED, 20, "the same, each written down in the log"),
        ),
    ),
    Case(
        "STARTTLS and login, 20 ms, server with CHUNKING",
        (*_peers(4, 100, 20, 100, 20, 20, 100, 100), _logged(100)),
        (
            Goal(OURS, 13, "the same at 20 ms, server with CHUNKING", 1.1),
            Goal(LOGGED, 12, "the same at 20 ms, each written down in the log"),
        ),
        rtt=20,
        loops=True,
    ),
    Case(
        "STARTTLS and login, 20 ms, server with PIPELINING only",
        _pair(4, 50),
        (Goal(OURS, 6.5, "the same at 20 ms, PIPELINING only", 2.1),),
        rtt=20,
        chunking=False,
        loops=True,
    ),
    Case(
        "Batch, STARTTLS and login, 20 ms, server with PIPELINING only",
        (
            Side(DJANGO_BATCH, "send_messages", 100, "django"),
            Side(OURS_BATCH, "send_messages", 1000),
        ),
        (Goal(OURS_BATCH, 4, "`send_messages` of 1,000 at 20 ms, PIPELINING only", 1.1),),
        rtt=20,
        chunking=False,
        rounds=5,
    ),
    Case(
        "STARTTLS and login, 80 ms, server with CHUNKING",
        _pair(2, 50),
        rtt=80,
        loops=True,
    ),
    Case(
        "20 kB of HTML, STARTTLS and login, loopback",
        (
            *_pair(20, 600),
            Side(DJANGO_BATCH, "send_messages", 20, "django"),
            Side(OURS_BATCH, "send_messages", 600),
            Side(SMTPLIB, "smtplib", 20, "django"),
            Side(AIO, "aiosmtplib", 200, "django"),
            Side(READY, "bare", 600),
        ),
        (Goal(OURS, 40, "20 kB HTML mail, TLS, loopback"),),
        kind="html",
    ),
    Case(
        "16 threads, STARTTLS and login, 20 ms, server with CHUNKING",
        (*_pair(64, 640), Side(AIO_16, "aiosmtplib x16", 320, "django")),
        (Goal(OURS, 15, "16 threads at 20 ms"),),
        rtt=20,
        threads=16,
    ),
    Case(
        "16 threads, STARTTLS and login, loopback",
        (*_pair(64, 640), Side(AIO_16, "aiosmtplib x16", 640, "django")),
        threads=16,
    ),
    Case(
        "No encryption, no login, loopback, server with CHUNKING",
        (
            Side(SOURCE, "smtp-source", 3000),
            Side(OURS, "send_mail", 1000),
            Side(READY, "bare", 3000),
            Side(SMTPLIB, "smtplib", 1000, "django"),
            Side(DJANGO_BATCH, "send_messages", 500, "django"),
            Side(DJANGO, "send_mail", 200, "django"),
        ),
        (
            Goal(OURS, 0.75, "against `smtp-source`, one session, plain: `send_mail`"),
            Goal(READY, 2, "against `smtp-source`, one session, plain: ready bytes"),
        ),
        secure=False,
    ),
    Case(
        "No encryption, no login, loopback, Postfix's smtp-sink (PIPELINING only)",
        (
            Side(SOURCE, "smtp-source", 3000),
            Side(OURS, "send_mail", 1000),
            Side(READY, "bare", 3000),
            Side(SMTPLIB, "smtplib", 1000, "django"),
        ),
        secure=False,
        sink="smtp-sink",
    ),
    Case(
        "Attachment of 10 MB, STARTTLS and login, loopback",
        _pair(2, 2),
        (Goal(OURS, 2, "10 MB attachment: time"),),
        kind="attachment",
    ),
)
# Memory of the last case: ours at most this part of Django's.
MEMORY_GOAL = 0.5
# Processor time, in microseconds.
LOOKUP_GOAL, PROBE_GOAL, OWN_GOAL, TRANSPORT_GOAL = 1.0, 20.0, 50.0, 20.0
FRESH_GOAL = 8.5
