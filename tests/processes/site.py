"""A site whose pages send a mail and edit the default profile.

Imported by gunicorn's master, which sends a mail before there is any worker: with ``--preload`` a
connection is parked as it forks.
"""

from __future__ import annotations

import os

from django.core.mail import send_mail
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.urls import path

from . import letters


def post(name: str, size: int = 100) -> int:
    """Send one mail, and return the id of the process that did."""
    pid = os.getpid()
    send_mail(
        letters.subject(name, pid),
        letters.body(name, size),
        letters.SENDER,
        [letters.RECIPIENT],
    )
    return pid


def send(request: HttpRequest) -> JsonResponse:
    """Send the mail that the query names."""
    return JsonResponse({"pid": post(request.GET["name"], int(request.GET["size"]))})


def edit(request: HttpRequest) -> JsonResponse:
    """Store the default profile, made anew or edited."""
    from mailsetup.models import SMTPProfile

    profile = SMTPProfile.objects.filter(is_default=True).first() or SMTPProfile(slug="shop")
    values = request.POST.dict()
    password = values.pop("password")
    for field, value in values.items():
        setattr(profile, field, value)
    profile.full_clean()
    profile.set_password(password)
    profile.save()
    return JsonResponse({"pid": os.getpid()})


urlpatterns = [path("send", send), path("edit", edit)]
application = get_wsgi_application()
call_command("migrate", verbosity=0)
if os.environ.get("MAILSETUP_DEFAULT_HOST"):
    post("preload")
# SQLite's connections are not for children; the pool's own are not either, and look after that.
connections.close_all()
