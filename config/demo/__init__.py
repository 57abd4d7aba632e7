"""The demo: the example site with its own database, administrator and mail server.

All it keeps is under ``.demo/``. Nothing here is imported outside ``manage.py demo`` and the
settings module ``config.demo.settings``.
"""
