"""Takes out of a mail's text whatever lets its reader act as the recipient.

A mail log is read by people who are not the recipients, and a password-reset link in it is a key
to somebody's account. Links keep where they lead; what in them, or in the text, may be a token,
a password or a one-time code is masked. In doubt it is masked: this is for showing, and the whole
text is a permission of its own.

Each rule finds *spans* of the text, in time that grows with its length alone. Nothing here knows
Django.
"""

from mailsetup.redaction.markup import redact_html
from mailsetup.redaction.text import redact

__all__ = ["redact", "redact_html"]
