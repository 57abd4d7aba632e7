"""The shop's two forms. They refuse what could break out of a mail header."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from config.catalog import TEAS

# Control characters and Unicode's own line ends: a header is one line.
one_line = RegexValidator(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029]",
    _("Please write this on one line, without control characters."),
    inverse_match=True,
)


class VisitorForm(forms.Form):
    """Who writes, and where an answer goes."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=100,
        validators=[one_line],
        error_messages={"required": _("Please tell us your name.")},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("Your email address"),
        max_length=254,
        validators=[one_line],  # Django's own check lets U+2028 into a domain
        error_messages={
            "required": _("Please give an address that we can answer to."),
            "invalid": _("This is no email address. It looks like name@example.com."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class ContactForm(VisitorForm):
    """A question to the shop."""

    subject = forms.CharField(
        label=_("Subject"),
        max_length=150,
        validators=[one_line],
        error_messages={"required": _("Please say in a few words what it is about.")},
    )
    message = forms.CharField(
        label=_("Your message"),
        max_length=5000,
        error_messages={"required": _("Please write your message.")},
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class OrderForm(VisitorForm):
    """An order of one tea."""

    tea = forms.ChoiceField(
        label=_("Tea"),
        choices=[(tea.code, tea.name) for tea in TEAS.values()],
        initial="snow",
        error_messages={"required": _("Please choose a tea.")},
        widget=forms.RadioSelect,
    )
    quantity = forms.IntegerField(
        label=_("Bags"),
        help_text=_("100 g each, up to 20."),
        min_value=1,
        max_value=20,
        initial=1,
        error_messages={"required": _("Please say how many bags you would like.")},
    )
    address = forms.CharField(
        label=_("Delivery address"),
        max_length=500,
        error_messages={"required": _("Please tell us where to send your tea.")},
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "street-address"}),
    )
    note = forms.CharField(
        label=_("Note (optional)"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    field_order = ["tea", "quantity", "name", "email", "address", "note"]

    def clean(self) -> dict[str, Any]:
        """Add the tea itself and the total."""
        data = super().clean() or self.cleaned_data
        if "tea" in data and "quantity" in data:
            data["item"] = TEAS[data["tea"]]
            data["total"] = data["item"].price * data["quantity"]
        return data
