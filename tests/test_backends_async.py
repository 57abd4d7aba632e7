"""In an event loop mail goes out as it does with Django's own backend."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.core.mail import EmailMessage, send_mail
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path

from mailsetup import effective
from mailsetup.backends import EmailBackend
from mailsetup.exceptions import NoProfileError

pytestmark = pytest.mark.django_db(transaction=True)


def message():
    return EmailMessage("Hi", "Text", "ann@example.com", ["bob@example.com"])


async def order(request):
    sent = send_mail("Hi", "Text", None, ["bob@example.com"])
    return HttpResponse(str(sent))


def in_a_thread(function, **options):
    """Return an awaitable function that runs in a thread and leaves no connection open."""

    def run(*args):
        try:
            return function(*args)
        finally:
            connection.close()

    return sync_to_async(run, **options)


async def order_in_a_thread(request):
    sent = await in_a_thread(send_mail)("Hi", "Text", None, ["bob@example.com"])
    return HttpResponse(str(sent))


urlpatterns = [path("order/", order), path("thread/", order_in_a_thread)]


@pytest.mark.parametrize("address", ["/order/", "/thread/"])
def test_an_async_view_sends(ours, stored, server, address):
    ours.ROOT_URLCONF = __name__
    effective.forget()

    async def visit():
        return await AsyncClient().get(address)

    response = asyncio.run(visit())
    assert (response.status_code, response.content) == (200, b"1")
    assert len(server.mails) == 1


@pytest.mark.parametrize("probe_seconds", [0, 600])
def test_a_bare_event_loop_sends(stored, server, settings, probe_seconds):
    settings.MAILSETUP = {"PROBE_SECONDS": probe_seconds}

    async def main():
        effective.forget()
        with EmailBackend() as backend:
            first = backend.send_messages([message()])
        return first + EmailBackend().send_messages([message()])

    assert asyncio.run(main()) == 2
    assert len(server.mails) == 2


def test_an_edit_is_noticed_in_a_loop(stored, server, settings):
    settings.MAILSETUP = {"PROBE_SECONDS": 0}

    async def main():
        EmailBackend().send_messages([message()])
        stored.do_not_send = True
        await in_a_thread(stored.save)()
        EmailBackend().send_messages([message()])

    asyncio.run(main())
    assert len(server.mails) == 1


def test_errors_are_the_same_in_a_loop():
    async def main():
        EmailBackend().send_messages([message()])

    with pytest.raises(NoProfileError):
        asyncio.run(main())


def test_many_tasks_send_at_once(stored, server):
    async def main():
        calls = [
            in_a_thread(EmailBackend().send_messages, thread_sensitive=False)([message()])
            for _ in range(8)
        ]
        return sum(await asyncio.gather(*calls))

    assert asyncio.run(main()) == 8
    assert len(server.mails) == 8
