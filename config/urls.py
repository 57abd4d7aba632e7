"""The addresses of the example site."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import RedirectView

from config import views

urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("order/", views.OrderView.as_view(), name="order"),
    path("contact/", views.ContactView.as_view(), name="contact"),
    path("raise-error/", views.raise_error, name="raise-error"),
    path("sign-in/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password-reset/",
        auth.PasswordResetView.as_view(
            template_name="registration/reset_form.html",
            subject_template_name="mails/password_reset_subject.txt",
            email_template_name="mails/password_reset.txt",
            html_email_template_name="mails/password_reset.html",
        ),
        name="password_reset",
    ),
    path(
        "password-reset/sent/",
        auth.PasswordResetDoneView.as_view(template_name="registration/reset_sent.html"),
        name="password_reset_done",
    ),
    path(
        "password-reset/done/",
        auth.PasswordResetCompleteView.as_view(template_name="registration/reset_done.html"),
        name="password_reset_complete",
    ),
    path(
        "password-reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(template_name="registration/reset_confirm.html"),
        name="password_reset_confirm",
    ),
    # The admin's sign-in page shows "Forgotten your password?" where this name exists.
    path(
        "admin/password_reset/",
        RedirectView.as_view(pattern_name="password_reset"),
        name="admin_password_reset",
    ),
    path("admin/", admin.site.urls),
    # Browsers ask for it on pages that name no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}config/icon.svg")),
    path("i18n/", include("django.conf.urls.i18n")),
]
