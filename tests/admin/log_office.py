"""Addresses of a site whose only admin has the mail log and nothing else of mailsetup."""

from django.contrib import admin
from django.urls import path

from mailsetup.admin import MessageAdmin
from mailsetup.models import Message

site = admin.AdminSite(name="office")
site.register(Message, MessageAdmin)

urlpatterns = [path("office/", site.urls)]
