"""The mails of the shop, written with Django's own mail API and nothing else."""

from email.headerregistry import Address
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext as _


def send_question(data: dict[str, Any]) -> None:
    """Send a visitor's question to the shop; an answer goes to the visitor.

    Raises whatever the mail backend raises.
    """
    _to_shop(_("Question: %(subject)s") % data, "mails/question", data)


def send_order(data: dict[str, Any]) -> None:
    """Send an order to the shop; an answer goes to the customer.

    Raises whatever the mail backend raises.
    """
    subject = _("Order: %(quantity)d × %(tea)s") % {  # noqa: RUF001
        "quantity": data["quantity"],
        "tea": data["item"].name,
    }
    _to_shop(subject, "mails/order", data)


def send_confirmation(data: dict[str, Any]) -> None:
    """Tell the customer that the order has arrived.

    The mail goes to an address that anyone may have typed, so it holds only words of the shop:
    nobody can use the form to send a text of their own to a stranger.

    Raises whatever the mail backend raises.
    """
    facts = {name: data[name] for name in ("item", "quantity", "total")}
    send_mail(
        _("Thank you for your order"),
        render_to_string("mails/confirmation.txt", facts),
        None,
        [data["email"]],
        html_message=render_to_string("mails/confirmation.html", facts),
    )


def _to_shop(subject: str, template: str, data: dict[str, Any]) -> None:
    mail = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"{template}.txt", data),
        to=[settings.SHOP_EMAIL],
        reply_to=[str(Address(display_name=data["name"], addr_spec=data["email"]))],
    )
    mail.attach_alternative(render_to_string(f"{template}.html", data), "text/html")
    mail.send()
