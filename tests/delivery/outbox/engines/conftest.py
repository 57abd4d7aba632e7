"""What the tests of the engines share."""

import pytest

from mailsetup.delivery.outbox import engines


@pytest.fixture(autouse=True)
def _engine_that_nobody_avoids(monkeypatch):
    """Forget that an engine failed in the test before: it would be left alone for seconds."""
    monkeypatch.setattr(engines._rest, "until", 0.0)
