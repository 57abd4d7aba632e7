"""Addresses of a site whose only admin is one of its own."""

from django.contrib import admin
from django.urls import path

from mailsetup.admin import MessageAdmin, SMTPProfileAdmin
from mailsetup.models import Message, SMTPProfile

site = admin.AdminSite(name="office")
site.register(SMTPProfile, SMTPProfileAdmin)
site.register(Message, MessageAdmin)

urlpatterns = [path("office/", site.urls)]
