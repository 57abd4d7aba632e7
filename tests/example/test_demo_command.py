"""What ``manage.py demo`` says of ports, without a process of its own."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from config.management.commands.demo import Command
from mailsetup.models import SMTPProfile


@pytest.mark.django_db
def test_a_profile_that_names_a_port_of_an_earlier_start_is_told():
    SMTPProfile.objects.create(slug="here", host="localhost", port=1587, login="none")
    SMTPProfile.objects.create(slug="moved", host="localhost", port=1588, login="none")
    SMTPProfile.objects.create(slug="other", host="smtp.example.com", port=587, login="none")
    told = io.StringIO()
    Command(stdout=told).tell_moved("localhost", {1587, 1465})
    (line,) = told.getvalue().splitlines()
    assert line.startswith("The profile “moved” names port 1588, where")


@pytest.mark.parametrize("port", ["80000", "-1", "x", ""])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(CommandError, match="is no port: use a number from 1 to 65535"):
        call_command("demo", f"--port={port}")
