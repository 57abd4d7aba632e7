"""SMTP set-up for a Django site: profiles in the admin, one email backend, a test mail.

The room that other code imports from is small: :class:`mailsetup.backends.EmailBackend` by its
dotted path in the settings, :mod:`mailsetup.signals`, :mod:`mailsetup.exceptions` and
:mod:`mailsetup.testing`.
"""

__version__ = "0.1.0"
