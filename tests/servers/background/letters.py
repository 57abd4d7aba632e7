"""A process of the site that sends mails: ``python -m tests.servers.background.letters 20``.

With ``stay`` it goes on until it is ended, as a web server's process does.
"""

import signal
import sys

import django
from django.core.mail import send_mail
from django.db import transaction


def main(count: int, *, stay: bool) -> None:
    django.setup()
    for number in range(count):
        with transaction.atomic():
            send_mail(f"Letter {number}", "Text", None, [f"reader{number}@example.com"])
    if stay:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), stay=sys.argv[2:] == ["stay"])
