"""The example site's settings as the demo uses them.

DEBUG stays off, so that a failing page mails the administrators as on a real site. The site's own
``.env`` and database are left alone; what the shell sets as ``MAILSETUP_…`` holds here too, keys
among it.
"""

import os

from config.demo import state

_remembered = state.remembered()
for _name in ("DATABASE_URL", "DEBUG", "DEFAULT_FROM_EMAIL"):
    os.environ.pop(_name, None)
os.environ.update(
    ENV_FILE=os.devnull,
    SECRET_KEY=_remembered["secret_key"],
    MAILSETUP_KEYS=os.environ.get("MAILSETUP_KEYS") or _remembered["mailsetup_key"],
    ALLOWED_HOSTS="localhost,127.0.0.1",
    HTTPS="off",
    SECURE_SSL_REDIRECT="off",
    ADMINS=state.ADMIN_EMAIL,
    SHOP_EMAIL=state.ACCOUNT,
)
if state.CA_CERTIFICATE.exists():
    state.trust_ca()

from config.settings import *  # noqa: E402, F403 - the environment above must be there first
from config.settings import LOGGING, sqlite  # noqa: E402

DATABASES = {"default": sqlite(state.DATABASE)}
ROOT_URLCONF = "config.demo.urls"
# A line for each page would push what the demo printed out of sight.
LOGGING["loggers"]["django.server"] = {"level": "WARNING"}
# aiosmtpd warns at each login of a deprecation in its own code.
LOGGING["loggers"]["mail.log"] = {"level": "ERROR"}
