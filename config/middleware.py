"""What every answer carries, the language of a request, and a page where Django answers with none."""

from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin

# What is no page, a browser that is made to show it all the same gives no rights.
SANDBOX = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGES = ("text/html", "application/pdf")  # a browser's viewer for PDFs does not run in a sandbox


def is_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith(reverse("admin:index"))


class HeadersMiddleware(MiddlewareMixin):
    """What Django has no setting for. It stands first, so that redirects and refusals carry it, too."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        features = settings.PERMISSIONS_POLICY | (settings.PERMISSIONS_POLICY_ADMIN if is_admin(request) else {})
        response["Permissions-Policy"] = ", ".join(f"{name}=({who})" for name, who in features.items())
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if is_admin(request):
            # Under "no-referrer" browsers send `Origin: null` with forms, which Django's CSRF check refuses.
            response["Referrer-Policy"] = "same-origin"
        if not response.has_header("Cache-Control"):
            # Only what a view says is for all may be kept.
            patch_cache_control(response, private=True, no_store=True)
        return response


class PolicyMiddleware(CSPMiddleware):
    """The Content-Security-Policy: of pages, of the organisers' pages, and of what is no page."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_static = request.path_info.startswith(settings.STATIC_URL)
        if not (is_static or response.get("Content-Type", "text/html").startswith(PAGES)):
            response["Content-Security-Policy"] = SANDBOX
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, *args, **kwargs)
        if is_admin(request):
            # Django's own scripts there write HTML as text.
            parts.replace = {"require-trusted-types-for": None, "trusted-types": None, **(parts.replace or {})}
        return parts


class LanguageMiddleware(LocaleMiddleware):
    """Public pages have the language of their path; the admin, whose paths name none, that of the browser."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if is_admin(request):
            translation.activate(translation.get_language_from_request(request))
            request.LANGUAGE_CODE = translation.get_language()


class MethodMiddleware(MiddlewareMixin):
    """Whoever opens an address that takes only what a form sends (by "reload", or from the history) is told so."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if isinstance(response, HttpResponseNotAllowed) and request.method == "GET":
            response.content = render_to_string("405.html", request=request)
        return response
