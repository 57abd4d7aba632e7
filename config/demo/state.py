"""What the demo remembers between two runs: its secrets and the paths of its files.

They lie in ``.demo/`` beside ``manage.py`` (or where ``DEMO_DIR`` says), readable by their owner
only. Deleting the directory starts the demo afresh.
"""

import json
import os
import secrets
import ssl
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DIRECTORY = Path(os.environ.get("DEMO_DIR") or BASE_DIR / ".demo").absolute()
DATABASE = DIRECTORY / "db.sqlite3"
MAILS = DIRECTORY / "mails"
CA_CERTIFICATE = DIRECTORY / "ca.pem"
TRUSTED = DIRECTORY / "trusted.pem"

ADMIN = "admin"
ADMIN_EMAIL = "admin@may-tea.example"
ACCOUNT = "shop@may-tea.example"

# Read aloud and typed by hand: no letter or digit that looks like another.
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def password() -> str:
    """Return a random password of four groups, about 79 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def make_directory() -> None:
    """Make the directory of the demo and that of its mails."""
    for path in (DIRECTORY, MAILS):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, that only its owner may read."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


@cache
def remembered() -> dict[str, str]:
    """Return the demo's secrets; the first call ever makes them."""
    make_directory()
    path = DIRECTORY / "secrets.json"
    known = json.loads(path.read_bytes()) if path.exists() else {}
    fresh = {
        "secret_key": secrets.token_urlsafe(50),
        "mailsetup_key": Fernet.generate_key().decode(),
        "admin_password": password(),
        "account_password": password(),
    }
    if fresh.keys() - known.keys():
        known = fresh | known
        write_private(path, json.dumps(known, indent=2).encode())
    return known


def trust_ca() -> None:
    """Make this process trust the demo's CA besides those that the computer trusts.

    So nobody has to paste the certificate into the form. It goes the way that OpenSSL offers an
    operator: the variable SSL_CERT_FILE, here a copy of the usual file with one certificate more.
    """
    if os.environ.get("SSL_CERT_FILE") == str(TRUSTED):
        return
    usual = ssl.get_default_verify_paths().cafile
    known = Path(usual).read_bytes() if usual else b""
    write_private(TRUSTED, known + b"\n" + CA_CERTIFICATE.read_bytes())
    os.environ["SSL_CERT_FILE"] = str(TRUSTED)
