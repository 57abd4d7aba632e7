"""One throw-away authority and one certificate for all test servers (trustme)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Paths for the servers; `ca` (PEM text) and `context()` for the clients."""

    ca: str
    ca_file: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return a client context that trusts this authority alone and verifies names."""
        return ssl.create_default_context(cadata=self.ca)


def make_certificates(directory: Path) -> Certificates:
    """Write an authority's and a server's certificate (localhost, 127.0.0.1) there."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    ca_file, certificate, key = (directory / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca_file))
    server.private_key_pem.write_to_path(str(key))
    for blob in server.cert_chain_pems:
        blob.write_to_path(str(certificate), append=True)
    # Exim reads the key as its own user. The key guards nothing outside these tests.
    key.chmod(0o644)
    return Certificates(authority.cert_pem.bytes().decode(), ca_file, certificate, key)
