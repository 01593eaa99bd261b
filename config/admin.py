"""The organisers' admin site."""

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin, ShowFacets
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from campaign import on_request, translations
from campaign.editions import new_edition
from config import acts
from config.paginating import BoundedAdmin, BoundedPaginator
from organisers import auditing, verifying
from organisers.views import LogIn, ask_again, sessions_page
from outbox import views
from outbox.deciding import charts_for, first_steps, waiting_for

# What it is to hold and to post again is looked at as any post: its token must be ours.
ASK = never_cache(csrf_protect(ask_again))


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
        admin_class = admin_class or ModelAdmin
        bounded = type(admin_class.__name__, (BoundedAdmin, admin_class), {"__module__": admin_class.__module__})
        super().register(model_or_iterable, bounded, **fast, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in who has given both factors, and nobody else, to any page."""
        return verifying.is_verified(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Ask for name and password; the second factor comes after."""
        request.current_app = self.name
        return LogIn.as_view()(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Wrap a page of the desk; whatever an organiser's form may have changed, readers see within seconds."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if self.has_permission(request) and acts.must_ask(request):
                return ASK(request)
            try:
                return self._recorded(page, request, *args, **kwargs)
            finally:
                if request.method == "POST" and self.has_permission(request):
                    new_edition()

        return wrapped

    def _recorded(self, page: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show a page; what a post to it does, and what leaves the desk by it, is recorded."""
        if not self.has_permission(request):
            return page(request, *args, **kwargs)
        user: Any = request.user
        actor, name = user.pk, auditing.page_of(request)
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            response = page(request, *args, **kwargs)
            if response.has_header("Content-Disposition"):
                auditing.write("exported", actor, page=name, **kwargs)
            return response
        with auditing.recording(actor, name):
            response = page(request, *args, **kwargs)
            if response.has_header("Content-Disposition"):
                auditing.write("exported", actor, page=name, **kwargs)
            return response

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps with what organisers work on first, and the accounts last."""
        return sorted(
            super().get_app_list(request, app_label), key=lambda app: app["app_label"] in {"auth", "organisers"}
        )

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
            path("sessions/", self.admin_view(sessions_page), name="sessions"),
            path("on-request/", self.admin_view(on_request.page), name="on_request"),
            path("translations/", self.admin_view(translations.page), name="translations"),
            *super().get_urls(),
        ]
