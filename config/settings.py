"""The example site's settings, for Django 5.2, 6.0 and 6.1, from the environment and ``.env``.

Values that may hold any character (``SECRET_KEY``, all of ``MAILSETUP_…``) are read raw from the
environment: django-environ takes ``$ecret`` for the name of another variable. Its ``read_env``
keeps such values as typed (but for one pair of quotes around the whole), so it reads the file.
"""

import os
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import django
import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# utf-8-sig: some editors put a byte order mark in front, which would hide the first variable.
env.read_env(os.environ.get("ENV_FILE", BASE_DIR / ".env"), encoding="utf-8-sig")


def sqlite(path: Path) -> dict[str, Any]:
    """Return the settings of an SQLite database that bears several writers.

    WAL lets readers go on while one process writes. IMMEDIATE makes a transaction queue for the
    write lock when it begins; the default asks for it midway, where waiting is impossible.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Copy .env.example to .env and fill it in, "
        "or run `make demo`, which needs no settings."
    )
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"] if DEBUG else [])

INSTALLED_APPS = [
    "mailsetup",
    "config",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": env.db() if os.environ.get("DATABASE_URL") else sqlite(BASE_DIR / "db.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("vi", _("Vietnamese"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT") or BASE_DIR / "build" / "static"

# Over HTTPS, as every public site is; HTTPS=off is for trying it out without a certificate.
HTTPS = env.bool("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
# A reset link carries its token in the address: no other site may be told of it.
SECURE_REFERRER_POLICY = "same-origin"

# Mail. The apps below call Django's own send_mail; this names who carries it.
mail_backend = "mailsetup.backends.EmailBackend"
error_mail = {}
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {"BACKEND": mail_backend},
        # For the logging handler: on 6.1 a failing error mail would raise inside logging, and a
        # page that has failed would fail a second time.
        "error-reports": {"BACKEND": mail_backend, "OPTIONS": {"fail_silently": True}},
    }
    error_mail = {"using": "error-reports"}
else:
    EMAIL_BACKEND = mail_backend
# Who delivers what profiles send in the background; docs/background.md starts each of them.
MAIL_ENGINE = env.str("MAIL_ENGINE", default="inline")
MAILSETUP = {"ENGINE": MAIL_ENGINE}
if MAIL_ENGINE == "celery":
    # Imported here, so that the site's processes know the broker too. It reads the settings later.
    from config.celery import app as celery_app  # noqa: F401

    CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://localhost:6379/0")
    # Celery's defaults have a page wait six seconds for a broker that is away, or without end.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "max_retries": 0,
        "socket_connect_timeout": 2,
        "socket_timeout": 3,
    }
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_BEAT_SCHEDULE = {
        "mailsetup-sweep": {
            "task": "mailsetup.sweep",
            "schedule": env.float("MAIL_SWEEP_SECONDS", default=30.0),
            # Not begun before the next one, it is of no use any more.
            "options": {"expires": env.float("MAIL_SWEEP_SECONDS", default=30.0)},
        }
    }
elif MAIL_ENGINE == "tasks":
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# Left out, Django's webmaster@localhost and root@localhost stand, and the profile's From serves.
if os.environ.get("DEFAULT_FROM_EMAIL"):
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ["DEFAULT_FROM_EMAIL"]
EMAIL_SUBJECT_PREFIX = "[Mây Tea] "
ADMINS: list[Any] = [
    address if django.VERSION >= (6, 0) else (name or address, address)
    for name, address in getaddresses([os.environ.get("ADMINS", "")])
    if address
]
# Who reads the orders and the questions.
SHOP_EMAIL = os.environ.get("SHOP_EMAIL", "shop@localhost")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"debug_off": {"()": "django.utils.log.RequireDebugFalse"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "mail_admins": {
            "class": "django.utils.log.AdminEmailHandler",
            "level": "ERROR",
            "filters": ["debug_off"],
            **error_mail,
        },
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"handlers": ["mail_admins"], "level": "INFO"}},
}
