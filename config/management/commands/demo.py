"""``manage.py demo``: the example site, an administrator and a mail server, with one command."""

import signal
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.management.commands.runserver import Command as Runserver
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

STEPS = """
{bold}The demo runs at {site}{end}   (Ctrl-C ends it)

{bold}1{end}  Sign in at {bold}{site}admin/{end}
      user        {admin}
      password    {admin_password}

{bold}2{end}  Under Mail, add an SMTP profile: choose {bold}{provider}{end}
   (host {host}, port {starttls_port} with STARTTLS; TLS from the start is on {tls_port}) and type
      username    {account}
      password    {account_password}
   Save it, press {bold}Send test email{end}, and read the mail at {site}demo/inbox/

{bold}3{end}  Order a tea at {site}: from now on every mail of the site goes out that way.

The mail server's certificate is signed by {ca}
"""


class Command(BaseCommand):
    """Set the demo up, start its mail server and serve the site until Ctrl-C."""

    help = (
        "Runs the example site with a database, an administrator and a mail server of its own. "
        "All it keeps is in .demo/; delete that directory to start afresh."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the ports."""
        parser.add_argument("--port", type=a_port, default=8000, help="of the site (8000)")
        parser.add_argument("--starttls-port", type=a_port, default=1587, help="of the mail server")
        parser.add_argument("--tls-port", type=a_port, default=1465, help="of the mail server")

    def handle(self, **options: Any) -> None:
        """Run the demo."""
        if settings.SETTINGS_MODULE != "config.demo.settings":
            raise CommandError("Start the demo as `manage.py demo`, or with `make demo`.")
        try:
            from config.demo import mailserver, provider, state  # noqa: PLC0415
        except ImportError as error:
            raise CommandError(
                f"The demo needs the package {error.name}: "
                "run `make demo`, or `pip install -r requirements.txt`."
            ) from error

        call_command("migrate", verbosity=0, interactive=False)
        admin_password = self.make_administrator(state)
        account_password = state.remembered()["account_password"]
        wanted = [options["port"], options["starttls_port"], options["tls_port"]]
        try:
            port = mailserver.free_port(nearby(wanted[0]))
            server = mailserver.MailServer(
                username=state.ACCOUNT,
                password=account_password,
                mails=state.MAILS,
                ca=mailserver.authority(),
                starttls_ports=nearby(wanted[1]),
                tls_ports=nearby(wanted[2]),
            )
        except OSError as error:
            raise CommandError(f"No port is free near the one asked for: {error}") from error
        self.tell_taken(wanted, [port, server.starttls_port, server.tls_port])
        self.tell_moved(provider.HOST, {server.starttls_port, server.tls_port})
        state.trust_ca()
        provider.offer(server.starttls_port, server.tls_port)
        bold, end = ("\033[1m", "\033[0m") if self.stdout.isatty() else ("", "")
        steps = STEPS.format(
            bold=bold,
            end=end,
            site=f"http://127.0.0.1:{port}/",
            admin=state.ADMIN,
            admin_password=admin_password,
            provider=provider.NAME,
            host=provider.HOST,
            starttls_port=server.starttls_port,
            tls_port=server.tls_port,
            account=state.ACCOUNT,
            account_password=account_password,
            ca=state.CA_CERTIFICATE,
        )
        with stoppable():
            server.start()
            try:
                self.serve(port, steps)
            finally:
                server.stop()
                self.stdout.write(f"\nThe demo has ended. Its data stay in {state.DIRECTORY}.")

    def make_administrator(self, state: Any) -> str:
        """Create the administrator once; return the password to print."""
        password = state.remembered()["admin_password"]
        user, created = get_user_model().objects.get_or_create(
            username=state.ADMIN,
            defaults={"email": state.ADMIN_EMAIL, "is_staff": True, "is_superuser": True},
        )
        if created:
            user.set_password(password)
            user.save()
        return password if user.check_password(password) else "(the one you chose)"

    def tell_taken(self, wanted: list[int], got: list[int]) -> None:
        """Say where another program holds a port, which another one stands in for."""
        names = ["the site", "the mail server", "the mail server's TLS from the start"]
        for name, asked, port in zip(names, wanted, got, strict=True):
            if asked and port != asked:
                self.stdout.write(
                    f"Port {asked} is in use by another program; {name} takes port {port}."
                )

    def tell_moved(self, host: str, ports: set[int]) -> None:
        """Say which profiles name a port that the mail server had at an earlier start."""
        from mailsetup.models import SMTPProfile  # noqa: PLC0415 - the tables are there by now

        for profile in SMTPProfile.objects.filter(host=host).exclude(port__in=ports):
            self.stdout.write(
                f"The profile “{profile.slug}” names port {profile.port}, where the demo's mail "
                "server is not any more: give it the port of step 2, and its password again."
            )

    def serve(self, port: int, greeting: str) -> None:
        """Serve the site until Ctrl-C, by Django's development server on the loopback interface."""
        try:
            call_command(
                Server(greeting, stdout=self.stdout, stderr=self.stderr),
                f"127.0.0.1:{port}",
                use_reloader=False,
                insecure_serving=True,  # DEBUG is off, and nobody collected the static files
                skip_checks=True,
            )
        except (KeyboardInterrupt, SystemExit):
            pass


class Server(Runserver):
    """Django's development server, with the demo's steps in place of its own greeting.

    Args:
        greeting: what to print as soon as the site can be opened.
    """

    def __init__(self, greeting: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.greeting = greeting

    def on_bind(self, server_port: int) -> None:
        """Print the greeting."""
        self.stdout.write(self.greeting)
        self.stdout.flush()


def a_port(text: str) -> int:
    """Return the port that an argument names; 0 stands for any.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ArgumentTypeError(f"{text!r} is no port: use a number from 1 to 65535")
    return int(text)


def nearby(port: int) -> list[int]:
    """Return a port and the ones to take instead when it is in use; 0 stands for any."""
    return [port + step for step in range(10) if port + step <= 65535] if port else [0]


@contextmanager
def stoppable() -> Iterator[None]:
    """Make SIGTERM, and a SIGINT that the shell had switched off, end the demo as Ctrl-C does."""

    def stop(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
