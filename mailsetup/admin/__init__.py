"""The pages of the Django admin: the profiles, their test page, and the mail log.

A site with an ``AdminSite`` of its own registers them there::

    from mailsetup.admin import MessageAdmin, SMTPProfileAdmin
    from mailsetup.models import Message, SMTPProfile

    my_site.register(SMTPProfile, SMTPProfileAdmin)
    my_site.register(Message, MessageAdmin)

Refused here: showing a stored secret, and changing or sending anything on GET.
"""

from django.contrib import admin

from mailsetup.admin.forms import SMTPProfileForm
from mailsetup.admin.log import MessageAdmin
from mailsetup.admin.profiles import SMTPProfileAdmin
from mailsetup.models import Message, SMTPProfile

__all__ = ["MessageAdmin", "SMTPProfileAdmin", "SMTPProfileForm"]

admin.site.register(SMTPProfile, SMTPProfileAdmin)
admin.site.register(Message, MessageAdmin)
