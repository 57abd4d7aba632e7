"""What all tests share."""

import pytest

from tests.backend_servers import (  # noqa: F401 - fixtures
    _plain,
    _starttls,
    _tls,
    authority,
    ours,
    plain_server,
    server,
    stored,
    tls_server,
)
from tests.delivery.office import office  # noqa: F401 - a fixture
from tests.noskip import (  # noqa: F401 - hooks
    pytest_make_collect_report,
    pytest_runtest_makereport,
)
from tests.unmigrated import outdated, unmigrated  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def _source_language():
    """Begin each test in the source language: a view may have left another one active."""
    from django.utils import translation

    translation.activate("en")
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _nothing_in_memory():
    """Begin and end each test with no profile in memory and no connection kept."""
    from mailsetup import effective
    from mailsetup.delivery.outbox.seats import seats
    from mailsetup.smtp.pool import pool

    effective.forget()
    yield
    pool.close_all()
    effective.forget()
    seats._fewer.clear()


@pytest.fixture
def safe(ours):  # noqa: F811 - the fixture above
    """A site where no system check has anything to say but of its profiles."""
    from mailsetup import vault

    ours.MAILSETUP_KEYS = [vault.generate_key()]
    ours.DEBUG = False
    return ours
