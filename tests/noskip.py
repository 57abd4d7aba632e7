"""Turns a skipped test into a failed one where the environment has CI_NO_SKIP=1.

A missing mail server, browser or package skips a test on a developer's machine; on the machine that
vouches for the project it must not pass unseen. One kind of skip stays a skip: a reason that begins
with "needs Django" or "needs Python" names a version that another round of the matrix covers.

tests/conftest.py takes the two hooks in.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

ALLOWED = ("needs Django", "needs Python")


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI_NO_SKIP") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"Skipped, and CI_NO_SKIP=1 forbids that: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid(report)
    return report
