"""What the shop sells. A real shop has a table for it; the example needs three names."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Tea:
    """One tea: its name, what it tastes like, the price of 100 g in dong."""

    code: str
    name: str | Promise
    taste: str | Promise
    price: int


TEAS = {
    tea.code: tea
    for tea in (
        Tea("snow", _("Snow Shan"), _("Old trees, mountain honey, a long finish"), 185_000),
        Tea("lotus", _("West Lake lotus"), _("Green tea rested in lotus flowers"), 240_000),
        Tea("oolong", _("Cloud oolong"), _("Half roasted, orchid and warm milk"), 160_000),
    )
}
