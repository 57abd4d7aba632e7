"""Run Django's own tests of its SMTP backend against another backend, in a process of its own.

    python -m tests.django_suite.runner DJANGO_TESTS RESULT.json [BACKEND]

DJANGO_TESTS is the directory `tests` of Django's source distribution. The class BACKEND (ours by
default) takes the place of `django.core.mail.backends.smtp.EmailBackend`. Of Django's test package
`mail` run the classes named after the SMTP backend and each other test that uses it. RESULT.json
maps each test's name to its status (passed, failed, skipped) and, unless it passed, to what it
said.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
import unittest
import warnings
from pathlib import Path
from types import ModuleType

OURS = "mailsetup.backends.EmailBackend"
MENTION = re.compile(
    r"(?<![\w.])smtp\.EmailBackend"
)  # the class itself, not its dotted path in a setting


def configure() -> None:
    """Set Django up as its own test runner does: no mail settings, a database nobody may touch."""
    import django
    from django.conf import settings
    from django.test.utils import setup_test_environment

    settings.configure(
        SECRET_KEY="django_tests_secret_key",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.admin.apps.SimpleAdminConfig",
            "mailsetup",
        ],
        USE_TZ=False,
    )
    django.setup()
    setup_test_environment()


def warn_as_errors() -> None:
    """Make Django's deprecation warnings errors, as its own test runner does."""
    from django.utils import deprecation

    for name, category in vars(deprecation).items():
        if name.startswith("RemovedIn") and isinstance(category, type):
            warnings.simplefilter("error", category)
    warnings.simplefilter("error", RuntimeWarning)


def substitute(path: str) -> None:
    """Put the class at that dotted path where Django's tests look for Django's."""
    from django.core.mail.backends import smtp
    from django.utils.module_loading import import_string

    smtp.EmailBackend = import_string(path)


def test_modules() -> list[ModuleType]:
    """Import the modules of Django's test package `mail`."""
    package = importlib.import_module("mail")
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"mail.{name}") for name in names if name.startswith("test")]


def about_smtp(case: type[unittest.TestCase], name: str) -> bool:
    """Tell whether a test is about the SMTP backend: by its class's name or by its own text."""
    return "SMTPBackend" in case.__name__ or bool(
        MENTION.search(inspect.getsource(getattr(case, name)))
    )


def collect() -> unittest.TestSuite:
    """Return the tests about the SMTP backend."""
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for module in test_modules():
        for case in vars(module).values():
            if isinstance(case, type) and issubclass(case, unittest.TestCase):
                if case.__module__ != module.__name__:
                    continue  # imported there, collected where it was defined
                names = loader.getTestCaseNames(case)
                suite.addTest(
                    loader.suiteClass(case(name) for name in names if about_smtp(case, name))
                )
    return suite


class Result(unittest.TestResult):
    """Keeps one status for each test; a failed subtest fails its test."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[str, dict[str, str]] = {}

    def _note(self, test: unittest.TestCase, status: str, detail: str = "") -> None:
        name = test.id().removeprefix("mail.").partition(".")[2]
        self.statuses.setdefault(name, {"status": status, "detail": detail})

    def addSuccess(self, test):
        self._note(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failed", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "failed", self.errors[-1][1])

    def addSkip(self, test, reason):
        self._note(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self._note(test, "passed")

    def addUnexpectedSuccess(self, test):
        self._note(test, "failed", "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._note(test, "failed", (self.failures + self.errors)[-1][1])


def main(tests: str, report: str, backend: str = OURS) -> None:
    """Run the tests and write the report."""
    sys.path.insert(0, tests)
    configure()
    substitute(backend)
    warn_as_errors()
    result = Result()
    collect().run(result)
    Path(report).write_text(json.dumps(result.statuses, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
