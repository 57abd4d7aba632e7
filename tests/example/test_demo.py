"""``manage.py demo`` as a process: it starts, serves, takes mail, and ends whole."""

import json
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import pytest

from tests.example.browser import Browser

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT = 90  # seconds; a busy machine takes its time


class Demo:
    """A running demo, and what it printed."""

    program = ("manage.py",)

    def __init__(self, directory: Path, *arguments: str, **variables: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-u", *self.program, "demo", *arguments],
            cwd=ROOT,
            env=kept | {"DEMO_DIR": str(directory)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.output += line
            if "certificate is signed by" in line:
                self.ready.set()
        self.ready.set()

    def wait(self) -> "Demo":
        assert self.ready.wait(WAIT), self.output
        assert self.process.poll() is None, self.output
        return self

    def said(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, self.output
        return found[1]

    @property
    def site(self) -> str:
        return self.said(r"runs at (http://127\.0\.0\.1:\d+/)")

    @property
    def passwords(self) -> list[str]:
        return re.findall(r"password +(\S+)", self.output)

    @property
    def ports(self) -> list[int]:
        return [
            int(self.said(pattern))
            for pattern in (r"127\.0\.0\.1:(\d+)/", r"port (\d+) with", r"start is on (\d+)")
        ]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.gone()

    def gone(self) -> int:
        try:
            return self.process.wait(WAIT)
        finally:
            self.reader.join(WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.gone()
        self.process.stdout.close()


ANY_PORT = ("--port", "0", "--starttls-port", "0", "--tls-port", "0")


def sign_in(demo: Demo) -> Browser:
    browser = Browser(demo.site)
    browser.open("sign-in/")
    page = browser.send("sign-in/", username="admin", password=demo.passwords[0])
    assert "raise-error" in page
    return browser


def send_mail(demo: Demo, directory: Path, subject: str) -> None:
    """Send as the printed account, trusting what the demo trusts."""
    context = ssl.create_default_context(cafile=directory / "ca.pem")
    with smtplib.SMTP("localhost", demo.ports[1], timeout=WAIT) as client:
        client.starttls(context=context)
        client.login(demo.said(r"username +(\S+)"), demo.passwords[1])
        client.sendmail("a@b.example", ["c@d.example"], f"Subject: {subject}\r\n\r\nx\r\n")


def test_demo_serves_takes_mail_ends_and_remembers(tmp_path):
    with Demo(tmp_path, *ANY_PORT) as demo:
        demo.wait()
        browser = sign_in(demo)
        assert "text/css" in browser.head("static/config/site.css")["Content-Type"]
        assert "No mail yet" in browser.open("demo/inbox/")
        send_mail(demo, tmp_path, "from the first run")
        assert "from the first run" in browser.open("demo/inbox/")
        ports, passwords = demo.ports, demo.passwords
        assert demo.end() == 0, demo.output
        assert "The demo has ended" in demo.output
        assert "Traceback" not in demo.output
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)

    with Demo(tmp_path, *ANY_PORT) as demo:
        demo.wait()
        assert demo.passwords == passwords
        assert "from the first run" in sign_in(demo).open("demo/inbox/")
        assert demo.end(signal.SIGTERM) == 0, demo.output


def test_demo_takes_other_ports_where_the_usual_ones_are_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Demo(tmp_path, "--port", str(port), *ANY_PORT[2:]) as demo:
            demo.wait()
            assert f"Port {port} is in use" in demo.output
            assert demo.ports[0] != port
            assert Browser(demo.site).open("")
            assert demo.end() == 0


def test_demo_leaves_the_sites_own_database_alone(tmp_path):
    own = f"sqlite:///{tmp_path / 'own.sqlite3'}"
    with Demo(
        tmp_path / "demo", *ANY_PORT, DATABASE_URL=own, DJANGO_SETTINGS_MODULE="config.settings"
    ) as demo:
        demo.wait()
        assert demo.end() == 0
    assert not (tmp_path / "own.sqlite3").exists()
    assert (tmp_path / "demo" / "db.sqlite3").exists()


def test_keys_of_the_shell_go_before_those_of_the_demo(tmp_path):
    def keys(**variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from mailsetup import conf; print(conf.configured_keys())"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "DEMO_DIR": str(tmp_path)}
            | {"DJANGO_SETTINGS_MODULE": "config.demo.settings"}
            | variables,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    found = keys()
    own = json.loads((tmp_path / "secrets.json").read_bytes())["mailsetup_key"]
    assert found == keys(MAILSETUP_KEYS="") == repr([own])
    assert keys(MAILSETUP_KEYS=f"new,{own}") == repr(["new", own])


def test_files_of_the_demo_are_for_their_owner_only(tmp_path):
    directory = tmp_path / "demo"
    with Demo(directory, *ANY_PORT) as demo:
        demo.wait()
        assert demo.end() == 0
    assert directory.stat().st_mode & 0o077 == 0
    for name in ("secrets.json", "ca.key"):
        assert (directory / name).stat().st_mode & 0o077 == 0
