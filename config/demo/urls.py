"""The example site's addresses and the demo's inbox."""

from django.urls import include, path

from config.demo import views
from config.urls import urlpatterns as site

demo = [
    path("", views.inbox, name="inbox"),
    path("empty/", views.empty, name="empty"),
    path("<slug:key>/", views.mail, name="mail"),
    path("<slug:key>/html/", views.mail_html, name="mail-html"),
]

urlpatterns = [*site, path("demo/inbox/", include((demo, "demo")))]
