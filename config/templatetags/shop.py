"""How the shop writes a price."""

from django import template
from django.utils import formats
from django.utils.numberformat import format as format_number

register = template.Library()


@register.filter
def dong(amount: int) -> str:
    """Write an amount in dong, its thousands parted as the language of the page does.

    Not ``intcomma``: Django's Vietnamese formats part no thousands.
    """
    separator = formats.get_format("THOUSAND_SEPARATOR")
    number = format_number(amount, "", grouping=3, thousand_sep=separator, force_grouping=True)
    return f"{number} ₫"
