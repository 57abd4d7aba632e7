"""The servers, proxies, databases and client processes of a run."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import trustme

from .cases import Case, Side
from .service import ROOT, Service, ServiceError
from .site import HOST

# Postfix's test programs are not on everybody's PATH.
_POSTFIX = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/libexec/postfix"])


def postfix_program(name: str) -> str | None:
    """Return the path of one of Postfix's test programs, or None where it is not installed."""
    return shutil.which(name, path=_POSTFIX)


class Lab(AbstractContextManager["Lab"]):
    """What a run needs; everything is stopped and deleted at its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._services: dict[tuple[Any, ...], Service] = {}
        self._numbers = count()
        self._certificate = self._directory / "server.pem"
        self._trust = self._directory / "trust.pem"
        self._template = self._directory / "template.sqlite3"

    def __enter__(self) -> Self:
        authority = trustme.CA()
        server = authority.issue_cert(HOST)
        server.private_key_and_cert_chain_pem.write_to_path(str(self._certificate))
        # The system's certificates are there too: loading them is part of what a mail costs.
        system = ssl.get_default_verify_paths().cafile
        known = Path(system).read_bytes() if system else b""
        self._trust.write_bytes(known + authority.cert_pem.bytes())
        command = "import sys; from pathlib import Path; from benchmarks.site import make_database"
        subprocess.run(
            [sys.executable, "-c", f"{command}; make_database(Path(sys.argv[1]))", self._template],
            cwd=ROOT,
            check=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    # Servers

    def server(self, case: Case) -> Service | SinkOfPostfix:
        """Return the server of a case."""
        if case.sink == "smtp-sink":
            return self._once(("smtp-sink",), SinkOfPostfix)
        flags = ["--chunking"] if case.chunking else []
        if case.secure:
            flags += ["--starttls", "--login", "--certificate", str(self._certificate)]
        return self._once(("sink", *flags), lambda: Service("benchmarks.sink", *flags))

    def proxy(self, case: Case, rtt: float) -> Service:
        """Return a proxy that adds *rtt* milliseconds before the case's server."""
        port = self.server(case).hello["port"]
        flags = ["--port", str(port), "--rtt", str(rtt)]
        return self._once(("proxy", port, rtt), lambda: Service("benchmarks.delay", *flags))

    def _once(self, key: tuple[Any, ...], start: Any) -> Any:
        if key not in self._services:
            self._services[key] = self._stack.enter_context(start())
        return self._services[key]

    # Clients

    def client(
        self, side: Side, port: int, *, secure: bool = True, threads: int = 1
    ) -> AbstractContextManager[Any]:
        """Start the process of one side; the caller stops it."""
        if side.name == "smtp-source":
            return SmtpSource(port)
        database = self._directory / f"{next(self._numbers)}.sqlite3"
        shutil.copy(self._template, database)
        flags = [] if secure else ["--plain"]
        return Service(
            "benchmarks.client",
            *("--port", str(port), "--database", str(database), "--backend", side.backend),
            *("--side", side.name, "--threads", str(threads), "--log", side.log, *flags),
            environment=self.trust,
        )

    @property
    def trust(self) -> dict[str, str]:
        """The environment of a process that is to trust the server."""
        return {"SSL_CERT_FILE": str(self._trust)}


class SinkOfPostfix(AbstractContextManager["SinkOfPostfix"]):
    """Postfix's smtp-sink."""

    def __init__(self) -> None:
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        program = postfix_program("smtp-sink")
        assert program is not None
        # It refuses to stay root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen([program, *user, f"{HOST}:{port}", "128"])
        self.hello = {"port": port}
        until = monotonic() + 10
        while monotonic() < until:
            try:
                socket.create_connection((HOST, port), 1).close()
                return
            except OSError:
                sleep(0.05)
        self.__exit__()
        raise ServiceError("smtp-sink did not start.")

    def ask(self) -> dict[str, Any]:
        """Return nothing: it counts nothing that can be asked for."""
        return {}

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(5)


class SmtpSource(AbstractContextManager["SmtpSource"]):
    """Postfix's smtp-source with one session on one connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, *, do: str, count: int, kind: str) -> dict[str, Any]:
        """Send as a client process does."""
        program = postfix_program("smtp-source")
        assert program is not None
        addresses = ["-f", "shop@example.com", "-t", "ann@example.org"]
        command = [program, "-d", "-s", "1", "-m", str(count), "-l", "1000", *addresses]
        before, began = os.times(), monotonic()
        subprocess.run([*command, f"{HOST}:{self._port}"], check=True)
        seconds, after = monotonic() - began, os.times()
        used = after.children_user + after.children_system
        return {
            "seconds": seconds,
            "cpu": used - before.children_user - before.children_system,
        }

    def stop(self) -> None:
        """Do nothing: it ends by itself."""

    def __exit__(self, *error: object) -> None:
        self.stop()
