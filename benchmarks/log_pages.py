"""How long the mail log's pages take with a million mails on PostgreSQL.

``python -m benchmarks.log_pages`` starts a server of its own, fills it, and opens each page some
times, in turn, through Django's test client: sign-in, permissions, queries and templates included,
the network not. It needs PostgreSQL and psycopg. ``--docs`` writes the table into the docs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

from benchmarks.postgres import Postgres

PAGE = Path(__file__).resolve().parent.parent / "docs" / "mail-log-pages.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
GOAL_MS = 300

# Names and words come round at different paces, so that each combination of them is there. Words
# are as frequent as in a shop's log; "march" was frequent once and is not among the newest mails.
FILL = """
INSERT INTO mailsetup_message (state, created_at, settled_at, background, requested, alias, profile,
  priority, due_at, app, caller, message_id, from_email, recipients, subject, size, search,
  attempts_made, reason, needs_attention, reports_failure, delivered, worker, leaving, crashes,
  suspect, log, content_file, recipe)
SELECT state, at, CASE WHEN state <> 'queued' THEN at + interval '1 second' END, true, '', '',
  profile, 20, at, app, app || '.views.notify', message_id, 'Example Shop <shop@example.com>',
  jsonb_build_array(recipient), subject, 2000 + n % 5000,
  lower(recipient || E'\\nExample Shop <shop@example.com>\\n' || subject || E'\\n' || message_id),
  1, CASE WHEN state = 'failed' THEN '550 5.1.1 No such user here' ELSE '' END,
  state = 'failed' AND n % 3 = 0, false, state = 'sent', '', false, 0, false, 'envelope', '', '{{}}'
FROM (
  SELECT n, now() - ({rows} - n) * interval '8 seconds' AS at,
    CASE WHEN n % 100 = 7 THEN 'failed' WHEN n % 997 = 3 THEN 'ambiguous'
      WHEN n % 5003 = 9 THEN 'set_aside' WHEN n > {rows} * 0.995 AND n % 2 = 0 THEN 'queued'
      WHEN n % 2000 = 1 THEN 'canceled' WHEN n % 3000 = 5 THEN 'expired'
      WHEN n % 50 = 11 THEN 'dropped' ELSE 'sent' END AS state,
    ({profiles})[1 + n * 7 % 8] AS profile, ({apps})[1 + n * 5 % 8] AS app,
    ({names})[1 + n * 13 % 20] || '.' || ({families})[1 + n * 17 % 10]
      || (n::bigint * 7919 % 250000) || '@' || ({domains})[1 + n % 6] AS recipient,
    replace(({subjects})[CASE WHEN n BETWEEN {rows} * 0.2 AND {rows} * 0.4 AND n % 4 = 0 THEN 8
      ELSE 1 + n * 11 % 7 END], '%', (n::bigint * 31 % 900000)::text) AS subject,
    '<' || left(md5(n::text), 12) || '.' || n || '.' || left(md5((n + 1)::text), 16)
      || '@shop.example.com>' AS message_id
  FROM generate_series(1, {rows}) AS n
) AS mails
"""
WORDS = {
    "profiles": "default default default newsletter newsletter shop support alerts",
    "apps": "shop accounts django.contrib.auth newsletter newsletter newsletter support reports",
    "names": "anna ben chloe dũng emil fatima grace hoa igor julia khanh linh maria nam olga peter "
    "quynh rosa sam tuan",
    "families": "smith nguyen tran mueller rossi kowalski garcia le ivanov novak",
    "domains": "gmail.com example.com outlook.com mail.example.org yahoo.co.uk web.example.net",
}
SUBJECTS = [
    "Your order % has been shipped",
    "Password reset on Example Shop",
    "Weekly newsletter: spring sale in week %",
    "Invoice % is ready",
    "Welcome to Example Shop, your account is ready",
    "Reminder: your appointment % tomorrow",
    "Xác nhận đơn hàng %",
    "March special offer for you",
]
SEARCHES = {
    "an address": "{recipient}",
    "the beginning of an address": "anna.smith139",
    "a Message-ID": "{message_id}",
    "a word of many subjects": "newsletter",
    "two frequent words together": "password reset",
    "two frequent words that never meet": "reset invoice",
    "a word that was frequent once": "march",
    "one letter": "a",
    "nothing that is there": "zebra crossing",
}
FILTERS = {
    "waiting": "state=queued",
    "failed": "state=failed",
    "set aside (few)": "state=set_aside",
    "sent (most)": "state=sent",
    "needs attention": "attention=1",
    "today": "date=today",
    "past 30 days": "date=30",
    "one profile": "profile=support",
    "one app": "app=django.contrib.auth",
    "one app, failed, past 7 days": "app=newsletter&state=failed&date=7",
}


def set_up(database: dict[str, Any]) -> None:
    """Configure a site with nothing but the admin and mailsetup."""
    apps = ["admin", "auth", "contenttypes", "messages", "sessions", "staticfiles"]
    settings.configure(
        SECRET_KEY="only for the benchmark",
        ROOT_URLCONF=f"{__package__}.log_urls",
        ALLOWED_HOSTS=["testserver"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        STATIC_URL="static/",
        INSTALLED_APPS=["mailsetup", *(f"django.contrib.{name}" for name in apps)],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        MAILSETUP={"ENGINE": "worker"},
        DATABASES={"default": database},
    )
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)


def fill(rows: int) -> None:
    """Put mails into the log, most of them as autovacuum has seen them, the newest not yet."""
    from django.db import connection  # noqa: PLC0415 - Django is configured by now

    def array(words: list[str]) -> str:
        return "ARRAY[" + ", ".join(f"'{word}'" for word in words) + "]"

    words = {name: array(texts.split()) for name, texts in WORDS.items()}
    statement = FILL.format(rows=rows, subjects=array(SUBJECTS), **words)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(
            "UPDATE mailsetup_message SET attempts_made = 2 "
            "WHERE id > (SELECT max(id) FROM mailsetup_message) - 5000"
        )


def pages() -> dict[str, str]:
    """Return each page's name and address."""
    from django.urls import reverse  # noqa: PLC0415

    from mailsetup.models import Message  # noqa: PLC0415

    middle = Message.objects.order_by("pk")[Message.objects.count() // 2]
    texts = {"recipient": middle.recipients[0], "message_id": middle.message_id}
    address = reverse("admin:mailsetup_message_changelist")
    found = {"the list": address, "its last page": f"{address}?p=200"}
    for name, query in SEARCHES.items():
        found[f"search: {name}"] = f"{address}?q=" + query.format(**texts).replace(" ", "+")
    for name, query in FILTERS.items():
        found[f"filter: {name}"] = f"{address}?{query}"
    found["search in a filter: a frequent word, failed"] = f"{address}?state=failed&q=invoice"
    found["a mail's page"] = reverse("admin:mailsetup_message_change", args=[middle.pk])
    found["another page of the admin"] = reverse("admin:auth_group_changelist")
    return found


def measure(rounds: int) -> dict[str, tuple[list[float], int]]:
    """Open each page in turn; return the milliseconds, and the number of queries."""
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from mailsetup.admin import trouble  # noqa: PLC0415

    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    addresses = pages()
    results: dict[str, tuple[list[float], int]] = {}
    for name, address in addresses.items():
        # What a process pays once: templates and imports.
        client.get(address)
        trouble.forget()
        with CaptureQueriesContext(connection) as captured:
            response = client.get(address)
        if response.status_code != 200:
            raise SystemExit(f"{address}: {response.status_code}")
        results[name] = ([], len(captured))
    for _round in range(rounds):
        for name, address in addresses.items():
            trouble.forget()
            begun = time.perf_counter()
            client.get(address)
            results[name][0].append((time.perf_counter() - begun) * 1000)
    return results


def table(results: dict[str, tuple[list[float], int]]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| page | median | slowest | queries |", "|---|--:|--:|--:|"]
    for name, (times, queries) in results.items():
        median = statistics.median(times)
        lines.append(f"| {name} | {median:.0f} ms | {max(times):.0f} ms | {queries} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and tell whether each page's median is below the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--docs", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    with Postgres() as server:
        set_up(server.database("mails"))
        fill(options.rows)
        results = measure(options.rounds)
    print(json.dumps(results) if options.json else table(results))
    if options.docs:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", encoding="utf-8")
    slow = [name for name, (times, _) in results.items() if statistics.median(times) >= GOAL_MS]
    if slow:
        print(f"Not below {GOAL_MS} ms: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
