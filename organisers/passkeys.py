"""
Passkeys (WebAuthn): django-otp-webauthn's endpoints, which talk JSON to static/js/passkey.js, behind our rules.

A passkey is bound to the host at which it was made. The browser signs the origin that it sees, and Django answers
only at ALLOWED_HOSTS: so a passkey made at the site's name is of no use at another's page, and one needs another
for the onion address. An address of numbers (127.0.0.1) is no name, and browsers refuse it.
"""

import json
from ipaddress import ip_address
from typing import Any, ClassVar

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext_lazy
from django_otp_webauthn import exceptions, views
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnCredential

from organisers import auditing, lockout, reauthenticating, verifying
from organisers.going import next_page
from organisers.models import Factor
from organisers.sessions import coarse

_TOO_LATE = gettext_lazy("Too much time has passed. Load this page again.")
# The libraries' own words are for programmers. For what does not stand here the page has words of its own.
_WORDS = {
    "credential_not_found": gettext_lazy("This passkey is not known here. Was it removed? Use another one, or a code."),
    "credential_user_mismatch": gettext_lazy("This passkey is another account's. Use another one, or a code."),
    **dict.fromkeys(("invalid_state", "not_authenticated", "user_not_verified"), _TOO_LATE),
}


def rp_id(request: HttpRequest) -> str:
    """Return the host that a passkey is bound to: that of this request, as far as Django answers at it."""
    host = request.get_host()
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host


def has_a_name(request: HttpRequest) -> bool:
    """Whether browsers take passkeys here: not at an address of numbers."""
    try:
        ip_address(rp_id(request).strip("[]"))
    except ValueError:
        return True
    return False


class Helper(WebAuthnHelper):
    def get_allowed_origins(self) -> list[str]:
        return [f"{self.request.scheme}://{self.request.get_host()}"]


class Door:
    """What the four endpoints have in common: nobody but an organiser who gave the password, and never an error 500."""

    request: Any
    http_method_names: ClassVar = ["post"]

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(request.data, dict):
            raise exceptions.MalformedRequest
        if not (request.user.is_authenticated and request.user.is_active and request.user.is_staff):
            raise exceptions.NotAuthenticated
        super().initial(request, *args, **kwargs)  # type: ignore[misc]

    def _parse_request_data(self, request: Any) -> Any:
        try:
            return json.loads(request.body)
        except (ValueError, RecursionError) as error:
            raise exceptions.MalformedRequest from error

    def handle_exception(self, error: Exception) -> Any:
        if isinstance(error, lockout.Locked):
            return JsonResponse({"detail": str(error.message), "code": "locked"}, status=429)
        # What no browser sends: lists for texts and the like, which the libraries do not expect.
        if isinstance(error, (TypeError, ValueError, KeyError, AttributeError)):
            error = exceptions.MalformedRequest()
        if isinstance(error, exceptions.OTPWebAuthnApiError):
            error.detail = str(_WORDS.get(error.code, ""))
        return super().handle_exception(error)  # type: ignore[misc]

    def let_in(self, device: Any, **more: Any) -> JsonResponse:
        """Complete the login by this passkey, and say where to go."""
        verifying.complete(self.request, device)
        response = JsonResponse({"id": device.pk, "redirect_url": next_page(self.request), **more})
        lockout.remember(response, self.request.user.get_username())
        return response


class Adding(Door):
    """Adding one more, by who is inside, takes a factor given lately, as every page on second factors does."""

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        if verifying.is_verified(request) and not reauthenticating.is_recent(request):
            raise exceptions.NotAuthenticated
        super().initial(request, *args, **kwargs)


class BeginAdding(Adding, views.BeginCredentialRegistrationView):
    pass


class Add(Adding, views.CompleteCredentialRegistrationView):
    def post(self, *args: Any, **kwargs: Any) -> Any:
        before = {device.pk for device in verifying.factors(self.request.user)}
        first = not before
        answer = super().post(*args, **kwargs)
        device = WebAuthnCredential.objects.get(pk=json.loads(answer.content)["id"])
        device.name = coarse(self.request.headers.get("User-Agent", "")) or "Passkey"
        device.save(update_fields=["name"])
        auditing.write("second factor added", self.request.user.pk, self.request.user, factor=device._meta.verbose_name)
        return self.let_in(device, first=first) if first else answer


class BeginAsking(Door, views.BeginCredentialAuthenticationView):
    pass


class Ask(Door, views.CompleteCredentialAuthenticationView):
    def post(self, *args: Any, **kwargs: Any) -> Any:
        with lockout.attempt(self.request, self.request.user.get_username(), Factor.SECOND):
            super().post(*args, **kwargs)
        return self.let_in(self.used)

    def complete_auth(self, device: Any) -> None:
        self.used = device
