"""The pages run under a strict content security policy: nothing inline, and nonces where asked."""

import re
from copy import deepcopy

import django
import pytest

from mailsetup.models import State
from tests import mails
from tests.admin.conftest import url
from tests.admin.test_log_permissions import url as log_url

PAGES = ["changelist", "add", "change", "test", "app", "log", "mail", "resend"]


def page_of(client, name, profile):
    if name in {"log", "mail", "resend"}:
        row = mails.mail(State.FAILED, mails.octets(), needs_attention=True)
        page = {"log": "changelist", "mail": "change"}.get(name, name)
        args = [] if name == "log" else [row.pk]
        return client.get(log_url(page, *args)).content.decode()
    if name == "app":
        return client.get("/admin/mailsetup/").content.decode()
    args = [profile.pk] if name == "change" else []
    return client.get(url(name, *args)).content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_inline(client, profile, name):
    page = page_of(client, name, profile)
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL):
        # Data for a script is no script.
        assert "application/json" in attributes or not content.strip()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)


if django.VERSION >= (6, 1):

    @pytest.mark.parametrize("name", PAGES)
    def test_scripts_and_styles_carry_the_nonce(client, profile, settings, name):
        from django.utils.csp import CSP

        settings.SECURE_CSP = {"script-src": [CSP.NONCE], "style-src": [CSP.NONCE]}
        settings.MIDDLEWARE = [
            "django.middleware.csp.ContentSecurityPolicyMiddleware",
            *settings.MIDDLEWARE,
        ]
        templates = deepcopy(settings.TEMPLATES)
        templates[0]["OPTIONS"]["context_processors"].append(
            "django.template.context_processors.csp"
        )
        settings.TEMPLATES = templates
        page = page_of(client, name, profile)
        loaded = re.findall(r"<script[^>]*\ssrc=[^>]*>|<link[^>]*stylesheet[^>]*>", page)
        assert any("mailsetup/" in tag for tag in loaded)
        assert [tag for tag in loaded if "nonce=" not in tag] == []
