"""Addresses of the site that ``log_pages`` measures."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
