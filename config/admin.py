"""The organisers' admin site."""

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin, ShowFacets
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _

from campaign import on_request, translations
from campaign.editions import new_edition
from config.paginating import BoundedPaginator
from outbox import views
from outbox.deciding import charts_for, first_steps, waiting_for


class OrganisersAdminSite(AdminSite):
    site_title = _("Solidarity")
    site_header = _("Solidarity: organisers' desk")
    index_title = _("What would you like to do?")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register with what keeps each list fast, however many rows its table has."""
        # Facets count what each choice of each filter would find.
        fast = {
            "paginator": BoundedPaginator,
            "show_full_result_count": False,
            "show_facets": ShowFacets.NEVER,
        }
        super().register(model_or_iterable, admin_class or ModelAdmin, **fast, **options)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Wrap a page of the desk; whatever an organiser's form may have changed, readers see within seconds."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return page(request, *args, **kwargs)
            finally:
                if request.method == "POST" and self.has_permission(request):
                    new_edition()

        return wrapped

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps with what organisers work on first, and the accounts last."""
        return sorted(super().get_app_list(request, app_label), key=lambda app: app["app_label"] == "auth")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show what waits for this organiser's decision, and how the days went, above all that can be done."""
        desk = {
            "steps": first_steps(request.user),
            "waiting": waiting_for(request.user),
            "charts": charts_for(request.user),
        }
        return super().index(request, {**desk, **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        """Add the pages that belong to no model."""
        return [
            path("readiness/", self.admin_view(views.readiness_page), name="readiness"),
            path("readiness/trial/", self.admin_view(views.send_trial_letter), name="trial_letter"),
            path("on-request/", self.admin_view(on_request.page), name="on_request"),
            path("translations/", self.admin_view(translations.page), name="translations"),
            *super().get_urls(),
        ]
