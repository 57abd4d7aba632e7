"""The addresses of an admin's own pages, on whichever admin site it is registered."""

from typing import Any

from django.urls import reverse
from django.utils.functional import cached_property


class Addresses:
    """Knows the addresses of a model's pages; a part of a ``ModelAdmin``."""

    @cached_property
    def url_names(self) -> str:
        """The start of the names of this admin's addresses."""
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def url_of(self, page: str, *args: Any) -> str:
        """Return the address of one of this model's pages on this admin site."""
        return reverse(
            f"admin:{self.url_names}_{page}", args=args, current_app=self.admin_site.name
        )
