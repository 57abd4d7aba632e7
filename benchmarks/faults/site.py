"""The parts of a run: server, site, workers. What was started here is stopped here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from .server import HOST, LARGE
from .traps import Traps

ROOT = Path(__file__).parents[2]
# The profiles; what they do with a mail of which nobody knows is their name.
POLICIES = ("hold", "resend")
_STOP_SECONDS = 60.0


class Lab:
    """A site with an outbox, a server, and workers that can be killed.

    Args:
        folder: where everything lies.
        port: the server's.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.traps = Traps(folder / "traps")
        self.workers: list[subprocess.Popen[bytes]] = []
        # The Message-IDs of what was handed over, by policy.
        self.expected: dict[str, list[str]] = {policy: [] for policy in POLICIES}
        # How many workers were killed that had claimed a mail, by its Message-ID.
        self.ends: Counter[str] = Counter()

    @property
    def log(self) -> Path:
        """Where the workers write what they have to say."""
        return self.folder / "workers.log"

    # -- Mails

    def put(self, policy: str, number: int, *, large: bool = False) -> None:
        """Hand mails over to the outbox, as an app does.

        Args:
            policy: the profile.
            number: how many.
            large: whether the last one is as large as makes it stop midway.
        """
        from django.core.mail import EmailMessage  # noqa: PLC0415 - once Django is set up

        from mailsetup.backends import EmailBackend  # noqa: PLC0415

        mails = []
        for nth in range(number):
            name = uuid.uuid4().hex
            size = LARGE if large and nth == number - 1 else 300
            mails.append(
                EmailMessage(
                    subject=f"Mail {name}",
                    body=("x" * 70 + "\n") * (size // 71),
                    from_email="shop@example.com",
                    to=[f"{name}@{policy}.example"],
                    headers={"Message-ID": f"<{name}@faults.example>"},
                )
            )
            self.expected[policy].append(f"<{name}@faults.example>")
        EmailBackend(profile=policy).send_messages(mails)

    def accepted(self) -> list[str]:
        """Return the Message-IDs that the server has written down, in order."""
        path = self.folder / "accepted"
        return path.read_text().split() if path.exists() else []

    # -- Workers

    def start_worker(self, *arguments: str) -> None:
        """Start a worker."""
        with self.log.open("ab") as log:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.worker", *arguments],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def kill(self, pid: int) -> None:
        """Kill a worker, with no time for anything, and start another."""
        worker = next(one for one in self.workers if one.pid == pid)
        # Stopped, it claims and settles nothing while somebody reads what it has claimed.
        worker.send_signal(signal.SIGSTOP)
        self.ends.update(_claimed_by(pid))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)
        self.start_worker()

    def replace_worker(self) -> None:
        """Ask the oldest worker to end, and start another with connections of its own."""
        _end(self.workers.pop(0))
        self.start_worker()

    def owner(self, port: int) -> int:
        """Return the process ID of the worker whose connection has that local port."""
        inode = _inode(port, self.port)
        for worker in self.workers:
            with suppress(OSError):
                for link in Path(f"/proc/{worker.pid}/fd").iterdir():
                    with suppress(OSError):
                        if str(link.readlink()) == f"socket:[{inode}]":
                            return worker.pid
        raise LookupError(f"No worker has a connection from port {port}.")

    def stop_workers(self) -> None:
        """Ask the workers to end, and wait."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            _end(worker)
        self.workers.clear()


def _claimed_by(pid: int) -> list[str]:
    from mailsetup.models import Message, State  # noqa: PLC0415 - once Django is set up

    mine = Message.objects.filter(state=State.SENDING, worker__contains=f"/{pid}/")
    return list(mine.values_list("message_id", flat=True))


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _inode(local: int, remote: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ends = [int(field.rpartition(":")[2], 16) for field in fields[1:3]]
        if ends == [local, remote]:
            return fields[9]
    raise LookupError(f"There is no connection from port {local}.")


@contextmanager
def lab(postgresql: str | None, seed: int, in_flight: int = 1) -> Iterator[Lab]:
    """Make a site with two profiles and start its server.

    Args:
        postgresql: the settings of the database; None for SQLite, as the example site sets it.
        seed: of what the server does by chance.
        in_flight: mails on a connection at once; most connections offer CHUNKING if several.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailsetup-faults-")))
        (folder / "traps").mkdir()
        os.environ |= {
            "FAULTS_FOLDER": str(folder),
            "FAULTS_TRAPS": str(folder / "traps"),
            "DJANGO_SETTINGS_MODULE": f"{__package__}.settings",
        }
        if postgresql:
            os.environ["FAULTS_POSTGRESQL"] = postgresql
        server = stack.enter_context(_server(folder / "accepted", seed, chunks=in_flight > 1))
        made = Lab(folder, _port(server.stdout))
        stack.callback(made.stop_workers)
        _make_site(made.port, in_flight)
        yield made


@contextmanager
def _server(record: Path, seed: int, *, chunks: bool) -> Iterator[subprocess.Popen[str]]:
    extra = ["--chunks"] if chunks else []
    server = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.server", str(record), str(seed), *extra],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            yield server
        finally:
            server.kill()


def _port(stdout: IO[str] | None) -> int:
    line = stdout.readline() if stdout else ""
    if not line:
        raise RuntimeError("The server did not start.")
    return int(line)


def _make_site(port: int, in_flight: int) -> None:
    import django  # noqa: PLC0415 - it reads the environment that was set above
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("migrate", verbosity=0)
    from mailsetup.models import SMTPProfile  # noqa: PLC0415

    for policy in POLICIES:
        profile = SMTPProfile(
            slug=policy,
            host=HOST,
            port=port,
            encryption="none",
            allow_plaintext=True,
            username="shop@example.com",
            from_email="shop@example.com",
            sending="background",
            on_ambiguous=policy,
            in_flight=in_flight,
        )
        profile.set_password("only for the faults")
        profile.save()
