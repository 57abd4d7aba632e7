"""The pages of the shop: one home page with an order form and a contact form."""

import logging
from typing import Any, NoReturn

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django.views.generic import FormView, TemplateView

from config import mails
from config.catalog import TEAS
from config.forms import ContactForm, OrderForm

logger = logging.getLogger(__name__)

# What sending raises: smtplib's errors are OSErrors, as are those of the network; Django's own
# refusals of a header or an address are ValueErrors; a mail set-up that cannot work is the last.
MAIL_ERRORS = (OSError, ValueError, ImproperlyConfigured)


class HomePage:
    """What the home page shows, whichever of its forms was sent."""

    template_name = "home.html"
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the teas and both forms; a form that was sent comes in under its own name."""
        visitor = self.visitor()
        kwargs.setdefault("order_form", OrderForm(auto_id="order_%s", initial=visitor))
        kwargs.setdefault("contact_form", ContactForm(auto_id="contact_%s", initial=visitor))
        return super().get_context_data(teas=TEAS.values(), **kwargs)

    def visitor(self) -> dict[str, str]:
        """Return what is known of a visitor who is signed in."""
        user = self.request.user
        return {"name": user.get_full_name(), "email": user.email} if user.is_authenticated else {}


class HomeView(HomePage, TemplateView):
    """The home page."""


class SentFormView(HomePage, FormView):
    """Takes one of the home page's forms and sends its mail.

    A failure to send is told in a sentence, on the same page with everything typed still there.
    """

    form_name: str

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the home page instead: after a reload or a change of language."""
        return redirect("home")

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the arguments of the form, with ids of its own on the page."""
        return {**super().get_form_kwargs(), "auto_id": f"{self.form_name}_%s"}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the home page's context with the form as it was sent."""
        return super().get_context_data(**{f"{self.form_name}_form": kwargs["form"]}, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Send the mail; thank the visitor or say that it failed."""
        try:
            thanks = self.send(form.cleaned_data)
        except MAIL_ERRORS as error:
            logger.warning("The %s form could not send its mail: %s", self.form_name, error)
            form.add_error(
                None,
                _(
                    "Sorry, we could not send this just now. Nothing is lost: "
                    "what you typed is still here. Please try again in a few minutes."
                ),
            )
            return self.render_to_response(self.get_context_data(form=form))
        messages.success(self.request, thanks)
        # Browsers carry the form's own fragment along, past the message, unless another is named.
        return HttpResponseRedirect(reverse("home") + "#main")

    def send(self, data: dict[str, Any]) -> str:
        """Send the mail and return the words of thanks."""
        raise NotImplementedError


class OrderView(SentFormView):
    """Takes an order."""

    form_class = OrderForm
    form_name = "order"

    def send(self, data: dict[str, Any]) -> str:
        """Send the order to the shop and a confirmation to the customer."""
        mails.send_order(data)
        try:
            mails.send_confirmation(data)
        except MAIL_ERRORS as error:
            # The shop has the order: asking for it again would make two of it.
            logger.warning("An order could not be confirmed by mail: %s", error)
            return _(
                "Thank you, your order has arrived. We could not send a confirmation to "
                "%(email)s; we will be in touch."
            ) % {"email": data["email"]}
        return _(
            "Thank you, your order has arrived. A confirmation is on its way to %(email)s."
        ) % {"email": data["email"]}


class ContactView(SentFormView):
    """Takes a question."""

    form_class = ContactForm
    form_name = "contact"

    def send(self, data: dict[str, Any]) -> str:
        """Send the question to the shop."""
        mails.send_question(data)
        return _("Thank you, your message is on its way. We answer within a day.")


@require_POST
@staff_member_required(login_url="login")
def raise_error(request: HttpRequest) -> NoReturn:
    """Fail, so that staff can see the error page and the mail that ``ADMINS`` get."""
    raise RuntimeError("This error was raised on purpose, with the button on the home page.")
