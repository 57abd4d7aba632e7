"""The documentation says what the code does: names, tables, links and examples."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import re
import smtplib
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import django
import pytest
from django.apps import apps
from django.core.management import load_command_class
from django.dispatch import Signal

from mailsetup import checks, conf, exceptions, providers, signals
from mailsetup.backends import EmailBackend
from mailsetup.effective import environment
from mailsetup.effective.values import FIELD_NAMES
from mailsetup.models import Message, SMTPProfile
from mailsetup.smtp import errors

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
COMMANDS = sorted(
    path.stem for path in (ROOT / "mailsetup" / "management" / "commands").glob("mailsetup_*.py")
)
# Buttons of Django's own admin.
STOCK_LABELS = {"Add"}


class Block(NamedTuple):
    """A fenced block: where it begins, its language, what stands in the comment above, its text."""

    place: str
    language: str
    run: str
    text: str


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def blocks(path: Path) -> list[Block]:
    found, lines = [], path.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = re.match(r"( *)```(\w+)$", lines[number])
        if fence:
            end = lines.index(f"{fence[1]}```", number + 1)
            above = re.match(r"<!-- run: (.+) -->$", lines[number - 1])
            text = "\n".join(line.removeprefix(fence[1]) for line in lines[number + 1 : end])
            place = f"{path.relative_to(ROOT).as_posix()}:{number + 1}"
            found.append(Block(place, fence[2], above[1] if above else "", text + "\n"))
            number = end
        number += 1
    return found


ALL_BLOCKS = [block for path in PAGES for block in blocks(path)]


def prose(path: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"))


def rows(text: str, heading: str = "") -> list[list[str]]:
    """Return the cells of the tables under a heading, or of a whole page."""
    if heading:
        text = re.split(rf"(?m)^#+ {re.escape(heading)}$", text)[1]
        text = re.split(r"(?m)^#", text)[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def anchor(heading: str) -> str:
    """Return the id that a heading has on the usual Markdown pages."""
    plain = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


# Reference pages name what there is


def test_each_check_has_its_heading_and_each_heading_its_check():
    sources = Path(checks.__file__).parent.glob("*.py")
    raised = set(re.findall(r"mailsetup\.[EW]\d{3}", "".join(map(Path.read_text, sources))))
    headings = re.findall(r"(?m)^## (mailsetup\.[EW]\d{3})$", page("checks"))
    assert sorted(raised) == headings


def test_each_field_has_its_variable_in_the_table():
    told = {name for row in rows(page("environment"), "Fields") for name in names(row[0])}
    stem = f"{environment.PREFIX}<PROFILE>_"
    fields = {stem + name.upper() for name in environment.FIELDS}
    files = {f"{stem}{name.upper()}_FILE" for name in environment.FROM_FILE}
    assert told == fields | files | {f"{stem}URL", "MAILSETUP_KEYS"}


def test_each_scheme_of_the_url_is_in_its_table():
    told = {names(row[0])[0]: row[1:] for row in rows(page("environment"), "The URL")}
    assert set(told) == {f"{scheme}://" for scheme in environment.URL_SCHEMES}


def test_example_variables_can_be_read(tmp_path):
    text = "\n".join(block.text for block in ALL_BLOCKS if block.language == "text")
    lines = re.findall(r"(?m)^(MAILSETUP_([A-Z]+)_[A-Z_]+)=(.+)$", text)
    assert len(lines) > 5
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    for variable, profile, value in lines:
        environ = {variable: str(secret) if variable.endswith("_FILE") else value}
        assert not environment.read(profile.lower(), environ).problems, variable


def test_each_option_is_in_the_settings_table_with_its_default():
    told = {
        name: ast.literal_eval(names(row[1])[0])
        for row in rows(page("settings"), "`MAILSETUP`")
        for name in names(row[0])
    }
    assert told == conf.DEFAULTS


def test_each_argument_of_the_backend_is_in_the_options_table():
    table = rows(page("settings"), "Options of the backend")
    told = {name for row in table for name in names(row[0])}
    assert told == set(inspect.signature(EmailBackend).parameters) - {"kwargs"}


def test_each_command_has_its_heading():
    headings = set(re.findall(r"(?m)^## (\w+)$", page("commands")))
    assert headings == {*COMMANDS, "demo"}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_a_command_is_in_its_table(command):
    parser = load_command_class("mailsetup", command).create_parser("manage.py", command)
    stock = load_command_class("django.core", "check").create_parser("manage.py", "check")
    common = {option for action in stock._actions for option in action.option_strings}
    own = {option for action in parser._actions for option in action.option_strings} - common
    table = rows(page("commands"), command)
    told = {names(row[0])[0].split()[0] for row in table if names(row[0])[0].startswith("--")}
    assert told == own


def test_printed_settings_show_the_fields_in_their_order():
    printed = [block for block in ALL_BLOCKS if re.search(r"(?m)^  host +\S", block.text)]
    assert len(printed) == 2
    for block in printed:
        assert re.findall(r"(?m)^  (\w+) ", block.text) == list(FIELD_NAMES), block.place


def test_each_permission_is_in_the_table():
    codenames = []
    for meta in (SMTPProfile._meta, Message._meta):
        codenames += [f"{action}_{meta.model_name}" for action in meta.default_permissions]
        codenames += [codename for codename, _ in meta.permissions]
    told = {name for row in rows(page("permissions")) for name in names(row[0])}
    assert told == {f"mailsetup.{codename}" for codename in codenames}


def test_each_model_is_told_of_with_its_permissions():
    told = page("permissions")
    for model in apps.get_app_config("mailsetup").get_models():
        assert f"*{str(model._meta.verbose_name).lower()}*" in told.lower(), model


def test_each_signal_has_its_heading():
    known = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    headings = set(re.findall(r"(?m)^## `mailsetup\.signals\.(\w+)`$", page("signals")))
    assert headings == known


def test_each_transport_error_is_in_the_table_with_the_classes_it_also_is():
    modules = {"smtplib": smtplib, "socket": socket, "ssl": ssl}
    known = vars(builtins) | vars(errors) | modules

    def found(name: str) -> Any:
        first, *rest = name.split(".")
        return getattr(known[first], rest[0]) if rest else known[first]

    table = rows(page("errors"), "Classes of the transport")
    told = {found(names(row[0])[0]): {found(name) for name in names(row[1])} for row in table}
    classes = {getattr(errors, name) for name in errors.__all__}
    kinds = {kind for kind in classes if isinstance(kind, type) and issubclass(kind, Exception)}
    assert set(told) == kinds - {errors.TransportError}
    for kind, also in told.items():
        assert set(kind.__bases__) - {errors.TransportError} == also, kind


def test_each_configuration_error_is_in_the_table():
    told = {names(row[0])[0] for row in rows(page("errors"), "Classes of the set-up")}
    kinds = exceptions.ConfigurationError.__subclasses__()
    assert told == {kind.__name__ for kind in kinds if kind.__module__ == exceptions.__name__}


def test_each_outcome_and_each_stage_is_in_its_table():
    outcomes = [names(row[0])[0] for row in rows(page("errors"), "Outcomes")]
    assert outcomes == list(errors.Outcome)
    heading = "The stages, as this project names them"
    stages = [names(row[0])[0] for row in rows(page("how-a-mail-travels"), heading)]
    assert stages == list(errors.Stage)


def test_the_readme_counts_the_providers():
    with_host = [each for each in providers.all_providers() if each.host]
    assert f"presets of {len(with_host)} providers" in (ROOT / "README.md").read_text()


def test_buttons_told_of_are_on_the_pages():
    sources = [ROOT / "mailsetup", ROOT / "config", ROOT / "templates"]
    shown = "\n".join(
        path.read_text(encoding="utf-8")
        for source in sources
        for path in source.rglob("*")
        if path.suffix in {".html", ".py"}
    )
    for path in (ROOT / "README.md", DOCS / "quickstart.md", DOCS / "existing-site.md"):
        labels = re.findall(r"[Pp]ress(?:es)? \*([^*]+)\*", path.read_text(encoding="utf-8"))
        assert labels, path.name
        for label in set(labels) - STOCK_LABELS:
            assert f'"{label}"' in shown, f"{path.name}: {label}"


# Links, images, code


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_images_lead_somewhere(path):
    text = prose(path)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    targets += re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.is_file(), f"{path.name}: {target}"
        if fragment:
            headings = re.findall(r"(?m)^#+ (.+)$", prose(file))
            assert fragment in {anchor(heading) for heading in headings}, f"{path.name}: {target}"


def test_every_page_is_in_the_contents():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", page("index")))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {"index.md"}


PYTHON = [block for block in ALL_BLOCKS if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_python_code_compiles(block):
    compile(block.text, block.place, "exec")


# Examples of settings, tried as a site would

SITE = """
import logging, os, sys
code, sending, kind = sys.argv[1:]
site = {}
exec(code, site)
from django.conf import settings
values = {
    "SECRET_KEY": "only for this test",
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "INSTALLED_APPS": ["mailsetup", "django.contrib.auth", "django.contrib.contenttypes",
                       "django.contrib.admin", "django.contrib.messages"],
} | {name: value for name, value in site.items() if name.isupper()}
settings.configure(**values)
import django
django.setup()
from django.core import checks, mail
from django.core.management import call_command
call_command("migrate", verbosity=0)
told = [message for message in checks.run_checks(tags=["mail"]) if message.id[:9] == "mailsetup"]
assert not told, told
assert mail.send_mail("Subject", "Text", None, ["ann@example.com"]) == 1
if kind == "admin":
    from mailsetup.models import Message, SMTPProfile
    exec(sending, site)
    assert site["office"].is_registered(SMTPProfile)
    assert site["office"].is_registered(Message)
elif sending:
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("mailsetup").addHandler(handler)
    exec(sending, site)
    site["send_news"]("ann@example.com")
    assert ["newsletter" in record.getMessage() for record in records] == [True], records
print("done")
"""

# Nothing leaves: the profiles are set to "do not send", which is logged with the profile's name.
PROFILES = {
    f"MAILSETUP_{profile}_{name}": value
    for profile in ("DEFAULT", "NEWSLETTER")
    for name, value in (("HOST", "mail.example.com"), ("DO_NOT_SEND", "true"))
}


def examples() -> list[Any]:
    """Return the examples for this Django: settings, what to run under them, and its kind."""
    version = "from 6.1 on" if django.VERSION >= (6, 1) else "before 6.1"
    found, settings = [], ""
    for block in (block for block in PYTHON if block.run):
        kind, _, when = block.run.partition(" ")
        if when and not when.endswith((version, "for every version")):
            continue
        code = block.text if kind == "settings" else ""
        settings = code or settings
        arguments = (settings, "" if code else block.text, kind)
        found.append(pytest.param(*arguments, id=block.place))
    return found


@pytest.mark.parametrize(("settings", "sending", "kind"), examples())
def test_examples_for_this_version_of_django_work(settings, sending, kind):
    environ = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SITE, settings, sending, kind],
        cwd=ROOT,
        env=environ | PROFILES,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "done\n", done.stderr
