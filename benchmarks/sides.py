"""The ways to send that are compared; each sends a number of mails and returns when all went.

What a real site pays only once (imports, the first connection that is kept, the first DNS name)
falls into the first call, which is not measured. To be imported once Django is set up.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from itertools import repeat
from threading import Barrier, Thread
from typing import Any

from django.db import connections

from mailsetup.delivery.log.logbook import logbook
from mailsetup.effective import resolve
from mailsetup.models import Message
from mailsetup.smtp import Envelope
from mailsetup.smtp.pool import pool

from . import mails
from .site import HOST, PASSWORD, USERNAME, Site, new_connection

# How many, and what kind of mail.
Sender = Callable[[int, str], None]


class NotSentError(RuntimeError):
    """A mail did not go: nothing that was measured counts."""


def side(name: str, site: Site, threads: int) -> Sender:
    """Return the sender of one side.

    Args:
        name: one of the functions below.
        site: how to reach the server.
        threads: how many send at the same time; the mails are shared out among them.
    """
    sender: Sender = _SIDES[name](site)
    return sender if threads == 1 else _threaded(sender, threads)


def _threaded(sender: Sender, threads: int) -> Sender:
    def send(count: int, kind: str) -> None:
        failures: list[BaseException] = []
        barrier = Barrier(threads)

        def run() -> None:
            try:
                barrier.wait()
                sender(count // threads, kind)
            except BaseException as error:
                failures.append(error)
            finally:
                connections.close_all()

        workers = [Thread(target=run) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failures:
            raise failures[0]

    return send


def _send_mail(site: Site) -> Sender:
    """`send_mail` for each, through whichever backend the site has."""

    def send(count: int, kind: str) -> None:
        for _ in repeat(None, count):
            mails.send(kind)

    return send


def _logged(site: Site) -> Sender:
    """`send_mail` for each, until all of them are written down too."""

    def send(count: int, kind: str) -> None:
        before = Message.objects.count()
        for _ in repeat(None, count):
            mails.send(kind)
        logbook.flush(60)
        written = Message.objects.count() - before
        if written != count:
            raise NotSentError(f"{written} of {count} were written down")

    return send


def _send_messages(site: Site) -> Sender:
    """`send_messages` with all of them."""

    def send(count: int, kind: str) -> None:
        sent = new_connection().send_messages([mails.build(kind) for _ in repeat(None, count)])
        if sent != count:
            raise NotSentError(f"{sent} of {count} went")

    return send


def _fresh(site: Site) -> Sender:
    """`send_mail` with no connection kept from the one before."""

    def send(count: int, kind: str) -> None:
        for _ in repeat(None, count):
            mails.send(kind)
            pool.close_all()

    return send


def _bare(site: Site) -> Sender:
    """The transport alone, with ready bytes, as a batch."""

    def send(count: int, kind: str) -> None:
        envelope = Envelope("shop@example.com", (mails.RECIPIENT,), mails.ready(kind))
        receipts = pool.send(resolve(None).account, [envelope] * count)
        if any(receipt.error for receipt in receipts):
            raise NotSentError("a message failed")

    return send


def _smtplib(site: Site) -> Sender:
    """smtplib with ready bytes on one connection."""

    def send(count: int, kind: str) -> None:
        content = mails.ready(kind)
        with smtplib.SMTP(HOST, site.port, local_hostname="client.example.com") as client:
            if site.secure:
                client.starttls(context=ssl.create_default_context())
                client.login(USERNAME, PASSWORD)
            for _ in repeat(None, count):
                client.sendmail("shop@example.com", [mails.RECIPIENT], content)

    return send


def _aiosmtplib(connections: int) -> Callable[[Site], Sender]:
    """aiosmtplib with ready bytes on some connections at once."""

    def make(site: Site) -> Sender:
        async def run(count: int, content: bytes) -> None:
            await asyncio.gather(*[one(count // connections, content) for _ in range(connections)])

        async def one(count: int, content: bytes) -> None:
            # Not installed everywhere; its side is passed over there.
            import aiosmtplib  # noqa: PLC0415

            options: dict[str, Any] = {"start_tls": False, "local_hostname": "client.example.com"}
            if site.secure:
                options |= {"start_tls": True, "username": USERNAME, "password": PASSWORD}
            async with aiosmtplib.SMTP(hostname=HOST, port=site.port, **options) as client:
                for _ in repeat(None, count):
                    await client.sendmail("shop@example.com", [mails.RECIPIENT], content)

        def send(count: int, kind: str) -> None:
            asyncio.run(run(count, mails.ready(kind)))

        return send

    return make


_SIDES: dict[str, Callable[[Site], Sender]] = {
    "send_mail": _send_mail,
    "logged": _logged,
    "send_messages": _send_messages,
    "fresh": _fresh,
    "bare": _bare,
    "smtplib": _smtplib,
    "aiosmtplib": _aiosmtplib(1),
    "aiosmtplib x10": _aiosmtplib(10),
    "aiosmtplib x16": _aiosmtplib(16),
}
