"""The demo with one provider more, whose every text would like to run a script.

Started as ``python -m tests.browser.strangers demo``.
"""

import sys
from pathlib import Path

from mailsetup.providers import Provider, register
from tests.example.test_demo import Demo

# Closes an attribute, a comment, a <textarea>, a <script> with JSON in it; then three ways to run.
HOSTILE = (
    "\"'>--></textarea></script></title><script>alert(1)</script>"
    '<img src="x:" onerror="alert(2)"><svg onload="alert(3)">'
)
ADDRESS = "https://hostile.example/" + HOSTILE


class HostileDemo(Demo):
    """A running demo with the hostile provider."""

    program = ("-m", "tests.browser.strangers")


def provider() -> Provider:
    """Return a provider made of hostile texts."""
    return Provider.from_dict(
        {
            "id": "hostile",
            "name": HOSTILE,
            "kind": "service",
            "host": "localhost",
            "hosts": [
                {"id": "first", "host": "localhost", "label": HOSTILE},
                {"id": "second", "host": "127.0.0.1", "label": HOSTILE},
            ],
            "ports": [{"port": 2525, "encryption": "none"}],
            "domains": ["hostile.example"],
            "keywords": [HOSTILE],
            "username_example": HOSTILE,
            "username_hint": HOSTILE,
            "secret_hint": HOSTILE,
            "secret_url": ADDRESS,
            "steps": {"en": [HOSTILE, "Open javascript:alert(4)", f"Open {ADDRESS}"]},
            "limits": HOSTILE,
            "notes": HOSTILE,
            "warnings": HOSTILE,
            "docs_url": ADDRESS,
        }
    )


if __name__ == "__main__":
    from manage import main

    register(provider())
    sys.argv[0] = str(Path(__file__).resolve().parents[2] / "manage.py")
    main()
