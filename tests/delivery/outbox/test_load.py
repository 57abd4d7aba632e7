"""Many threads at once, and what is changed under them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.utils import parseaddr

import pytest
from cryptography.fernet import Fernet
from django.db import connections
from django.utils import timezone

from mailsetup import conf, effective
from mailsetup.delivery import rotation
from mailsetup.delivery.outbox import courier, sweep
from mailsetup.models import Message, SMTPProfile, State
from mailsetup.models.rotation import rotate_secrets
from tests.servers.process import wait_for

from .conftest import mail, put, store_boxed

THREADS = 8


@pytest.fixture
def busy() -> Callable[..., list[BaseException]]:
    """Return a function that has threads work until all is sent, while *meanwhile* is done."""

    def run(meanwhile: Callable[[], None] = lambda: None) -> list[BaseException]:
        errors: list[BaseException] = []
        over = threading.Event()

        def work(number: int) -> None:
            try:
                while not over.is_set():
                    if not courier.work_once(5, worker=f"here/pid:[1]/1/{number}"):
                        over.wait(0.01)
            except BaseException as error:
                errors.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=(one,)) for one in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            meanwhile()
            waiting = Message.objects.filter(state__in=[State.QUEUED, State.SENDING])
            while waiting.exists() and not errors:
                threads[0].join(0.02)
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
        return errors

    return run


def states() -> set[str]:
    return set(Message.objects.values_list("state", flat=True))


def test_eight_threads_send_each_mail_once_and_whole(boxed, box, busy, settings):
    settings.MAILSETUP = {"MAX_CONNECTIONS": THREADS}
    effective.forget()
    bodies = {f"{one:03}": f"{one:03} " * (200 + 40 * one) for one in range(120)}
    put(*(mail(subject=name, body=body) for name, body in bodies.items()))
    assert busy() == []
    assert states() == {State.SENT}
    arrived = {}
    for content in box.contents:
        one = message_from_bytes(content, policy=policy.default)
        assert one["Subject"] not in arrived
        arrived[one["Subject"]] = "".join(one.get_content().split())
    assert arrived == {name: "".join(body.split()) for name, body in bodies.items()}


def test_each_mail_goes_by_one_version_of_a_profile_that_is_edited(boxed, box, busy):
    names = set()

    def edit() -> None:
        for version in range(12):
            row = SMTPProfile.objects.get()
            row.from_name, row.force_from_name = f"Version {version}", True
            row.from_email = f"version{version}@example.com"
            row.return_path = row.from_email
            row.save()
            effective.forget()
            rows = put(*(mail(subject=str(version)) for _ in range(10)))
            # On a busy machine all edits would be over before the second mail is sent.
            ids = {one.message_id for one in rows}
            wait_for(lambda ids=ids: ids & set(box.accepted), seconds=30, what="one of them to go")

    assert busy(edit) == []
    assert states() == {State.SENT}
    for content, sender in zip(box.contents, box.senders, strict=True):
        name, address = parseaddr(message_from_bytes(content)["From"])
        # Until the first edit the profile has no name.
        assert address == sender
        assert name.replace("Version ", "version") in {address.partition("@")[0], ""}
        names.add(name)
    assert len(names) > 3
    assert len(set(box.accepted)) == len(box.accepted) == 120


def test_keys_that_are_rotated_fail_no_mail(boxed, box, busy, settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    put(*(mail(subject=str(one)) for one in range(60)))

    def rotate() -> None:
        settings.MAILSETUP_KEYS = [old]
        put(*(mail(subject=str(one)) for one in range(60)))
        settings.MAILSETUP_KEYS = [new, old]
        rotation.rotate_contents()
        rotate_secrets()

    assert busy(rotate) == []
    assert states() == {State.SENT}
    assert len(set(box.accepted)) == len(box.accepted) == 120


def test_profile_deleted_under_load_keeps_its_mail_until_it_is_back(boxed, box, busy):
    put(*(mail(subject=str(one)) for one in range(80)))
    gone = threading.Event()

    def delete(message_id: str) -> None:
        if len(box.accepted) >= 20:
            gone.set()

    box.on_dot = delete

    def meanwhile() -> None:
        assert gone.wait(20)
        SMTPProfile.objects.all().delete()
        effective.forget()
        # Nobody claims any more; what is under way comes to its end.
        while Message.objects.filter(state=State.SENDING).exists():
            threading.Event().wait(0.02)
        assert states() <= {State.QUEUED, State.SENT}
        store_boxed(box)
        effective.forget()
        # A thread that looked a moment before may put some off for minutes yet.
        waiting = Message.objects.filter(state=State.QUEUED)
        ends = time.monotonic() + 20
        while waiting.exists() and time.monotonic() < ends:
            waiting.update(due_at=timezone.now())
            threading.Event().wait(0.02)

    assert busy(meanwhile) == []
    assert states() == {State.SENT}
    assert len(set(box.accepted)) == len(box.accepted) == 80


def test_sweeps_at_the_same_time_free_each_message_once(boxed, box, busy):
    """Whoever sweeps, and however many: a claim is freed, and counted, by one of them."""
    rows = put(*(mail(subject=str(one)) for one in range(30)))
    past = timezone.now() - timezone.timedelta(seconds=1)
    Message.objects.update(state=State.SENDING, claimed_until=past, worker="gone/pid:[1]/1/1")
    doubtful = [row.pk for row in rows[:10]]
    Message.objects.filter(pk__in=doubtful).update(leaving=True)
    found = []

    def run() -> None:
        try:
            found.append(sweep.sweep())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(one.freed for one in found) == 20
    assert sum(one.ambiguous for one in found) == 10
    assert conf.option("CLAIM_SECONDS") == 60
    for row in Message.objects.filter(pk__in=doubtful):
        assert row.attempts.count() == 1
