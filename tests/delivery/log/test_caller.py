"""The log tells who asked for a mail, however it came to the backend."""

from __future__ import annotations

import asyncio
import logging
import threading
from types import ModuleType

import django
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, mail_admins, send_mail
from django.core.management import BaseCommand, call_command
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory, override_settings
from django.urls import path, reverse

from mailsetup.delivery.log import caller
from tests.delivery import asking

HERE = "tests.delivery.log.test_caller"


@pytest.fixture(autouse=True)
def asked(settings, monkeypatch):
    """Send by a backend that asks, and is passed over as mailsetup's own is."""
    monkeypatch.setattr(caller, "_PASSED_OVER", (*caller._PASSED_OVER, asking.__name__))
    monkeypatch.setattr(caller, "_known", {})
    monkeypatch.setattr(asking, "asked", [])
    backend = f"{asking.__name__}.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend}, "error-reports": {"BACKEND": backend}}
    else:
        settings.EMAIL_BACKEND = backend
    return asking.asked


def send_one():
    send_mail("Hi", "Text", None, ["bob@example.com"])


def view(request):
    send_one()
    return HttpResponse()


async def async_view(request):
    send_one()
    return HttpResponse()


async def threaded_view(request):
    await sync_to_async(send_mail)("Hi", "Text", None, ["bob@example.com"])
    return HttpResponse()


urlpatterns = [
    path("sync/", view),
    path("async/", async_view),
    path("threaded/", threaded_view),
]


def test_function_is_named_with_its_module(asked):
    send_one()
    assert asked == [("tests", f"{HERE}.send_one", "")]


def test_each_way_of_djangos_mail_api_is_passed_over(asked):
    EmailMessage("Hi", "Text", to=["bob@example.com"]).send()
    mail_admins("Hi", "Text")
    User(email="bob@example.com").email_user("Hi", "Text")
    here = f"{HERE}.test_each_way_of_djangos_mail_api_is_passed_over"
    assert [one.caller for one in asked] == [here] * 3


def test_inner_function_is_named_without_marks(asked):
    def inner():
        send_mail("Hi", "Text", None, ["bob@example.com"])

    inner()
    assert asked[0].caller == f"{HERE}.test_inner_function_is_named_without_marks.inner"


@pytest.mark.django_db
def test_form_of_the_example_site_is_named_with_its_view(client, asked):
    data = {"tea": "snow", "quantity": "1", "name": "Ann", "email": "a@b.example", "address": "x"}
    client.post(reverse("order"), data)
    assert asked == [
        ("config", "config.mails._to_shop (view config.views.OrderView)", "view"),
        ("config", "config.mails.send_confirmation (view config.views.OrderView)", "view"),
    ]


@pytest.mark.django_db
def test_password_reset_is_of_the_app_auth(client, asked):
    User.objects.create_user("ann", "ann@example.com", "a word")
    client.post(reverse("password_reset"), {"email": "ann@example.com"})
    (one,) = asked
    assert one.app == "auth"
    assert one.caller == (
        "django.contrib.auth.forms.PasswordResetForm.send_mail "
        "(view django.contrib.auth.views.PasswordResetView)"
    )


def test_view_is_named_under_wsgi(client, asked):
    with override_settings(ROOT_URLCONF=HERE):
        client.get("/sync/")
    assert asked == [("tests", f"{HERE}.send_one (view {HERE}.view)", "view")]


@pytest.mark.parametrize(("name", "function"), [("sync", "view"), ("async", "async_view")])
def test_view_is_named_under_asgi(asked, name, function):
    with override_settings(ROOT_URLCONF=HERE):
        async_to_sync(AsyncClient().get)(f"/{name}/")
    assert asked == [("tests", f"{HERE}.send_one (view {HERE}.{function})", "view")]


def test_async_view_that_has_a_thread_send_is_named(asked):
    with override_settings(ROOT_URLCONF=HERE):
        async_to_sync(AsyncClient().get)("/threaded/")
    assert asked == [("tests", f"{HERE}.threaded_view (view {HERE}.threaded_view)", "view")]


@pytest.mark.parametrize("thread_sensitive", [True, False])
def test_task_that_has_a_thread_send_is_named_among_others(asked, thread_sensitive):
    send = sync_to_async(send_mail, thread_sensitive=thread_sensitive)

    async def first():
        await send("Hi", "Text", None, ["bob@example.com"])

    async def second():
        await send("Hi", "Text", None, ["bob@example.com"])

    async def main():
        await asyncio.gather(asyncio.sleep(0), first(), second(), asyncio.sleep(0))

    asyncio.run(main())
    here = f"{HERE}.test_task_that_has_a_thread_send_is_named_among_others"
    assert {one.caller for one in asked} == {f"{here}.first", f"{here}.second"}


def test_command_is_named(asked):
    class Command(BaseCommand):
        def handle(self, **options):
            send_one()

    Command.__module__ = "shop.management.commands.send_news"
    call_command(Command())
    assert asked == [("tests", f"{HERE}.send_one (command send_news)", "command")]


def run_as(module: str, source: str, **names):
    """Run code as if it were of another module."""
    there = ModuleType(module)
    vars(there).update(names)
    exec(compile(source, module, "exec"), vars(there))
    return there


def test_celery_task_is_named(asked):
    task = type("Task", (), {"name": "shop.tasks.send_news"})()
    source = """
def build_tracer(task, function):
    def trace_task():
        task
        function()
    return trace_task
"""
    run_as("celery.app.trace", source).build_tracer(task, send_one)()
    assert asked == [("tests", f"{HERE}.send_one (task shop.tasks.send_news)", "task")]


@pytest.mark.skipif(django.VERSION < (6, 0), reason="needs Django 6.0")
def test_task_of_django_is_named(asked):
    from django import tasks

    tasks.task(send_one_as_task).call()
    assert asked[0][1:] == (
        f"{HERE}.send_one_as_task (task {HERE}.send_one_as_task)",
        "task",
    )


def send_one_as_task():
    send_mail("Hi", "Text", None, ["bob@example.com"])


def test_task_of_the_backport_is_named(asked):
    source = """
class Task:
    module_path = "shop.tasks.send_news"
    def call(self):
        function()
"""
    run_as("django_tasks.base", source, function=send_one).Task().call()
    assert asked == [("tests", f"{HERE}.send_one (task shop.tasks.send_news)", "task")]


def test_functions_with_the_same_names_elsewhere_are_nothing(asked):
    source = """
def execute(): function()
def trace_task(): execute()
def thread_handler(): trace_task()
def _get_response(): thread_handler()
def call(): _get_response()
"""
    run_as("shop.things", source, function=send_one).call()
    assert asked == [("tests", f"{HERE}.send_one", "")]


def test_frame_that_tells_nothing_keeps_no_mail_back(asked):
    run_as("celery.app.trace", "def trace_task(): function()", function=send_one).trace_task()
    assert asked == [("tests", f"{HERE}.send_one", "")]


def test_mail_of_the_error_log_is_of_django(asked, settings):
    handler = django.utils.log.AdminEmailHandler()
    handler.handle(logging.LogRecord("shop", logging.ERROR, "x.py", 1, "Broken", (), None))
    assert asked == [("django", "logging", "")]


def test_thread_of_pythons_own_functions_is_nobody(asked):
    thread = threading.Thread(target=send_mail, args=("Hi", "Text", None, ["bob@example.com"]))
    thread.start()
    thread.join()
    assert asked == [("", "", "")]


def test_no_more_than_250_characters_are_kept(asked):
    name = "f" * 300
    source = f"def {name}(): send('Hi', 'Text', None, ['bob@example.com'])"
    long = getattr(run_as("shop", source, send=send_mail), name)
    task = """
class Task:
    module_path = name
    def call(self):
        function()
"""
    run_as("django_tasks.base", task, function=long, name="shop.tasks.send_news").Task().call()
    run_as("django_tasks.base", task, function=send_one, name="x" * 300).Task().call()
    assert [len(one.caller) for one in asked] == [250, 250]
    assert asked[0].caller.endswith(" (task shop.tasks.send_news)")
    assert asked[1].caller.startswith(f"{HERE}.send_one (task xxx")


def test_apps_are_looked_up_again_once_others_are_installed(asked, settings):
    source = "def ask(): send('Hi', 'Text', None, ['bob@example.com'])"
    there = run_as("django.contrib.humanize.mails", source, send=send_mail)
    there.ask()
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.humanize"]
    there.ask()
    assert [one.app for one in asked] == ["django", "humanize"]


def test_request_without_a_view_yet_names_none(asked):
    source = "class BaseHandler:\n def _get_response(self, request): function()"
    handler = run_as("django.core.handlers.base", source, function=send_one).BaseHandler()
    handler._get_response(RequestFactory().get("/"))
    assert asked == [("tests", f"{HERE}.send_one", "")]
