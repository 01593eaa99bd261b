"""The organisers' door: the pages before the desk, and those on one's own sessions and second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import login as auth_login
from django.contrib.auth import logout as auth_logout
from django.contrib.auth.views import LoginView
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_otp.plugins.otp_static.models import StaticDevice

from organisers import inviting, lockout, passkeys, reauthenticating, sessions, verifying
from organisers.forms import AccountForm, CodeForm, LoginForm
from organisers.going import by_way_of, next_page
from organisers.models import Factor

View = Callable[..., HttpResponse]
BACKEND = "django.contrib.auth.backends.ModelBackend"


def door(*methods: str) -> Callable[[View], View]:
    """Make a page of the door: before the desk's own permission, never kept, its form protected."""

    def decorate(view: View) -> View:
        return never_cache(csrf_protect(require_http_methods(methods)(view)))

    return decorate


def halfway(view: View) -> View:
    """Send away who has not given the password of an active organiser's account."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if not (user.is_authenticated and user.is_active and user.is_staff):
            return redirect(by_way_of("admin:login", request))
        return view(request, *args, **kwargs)

    return wrapped


def show(request: HttpRequest, template: str, title: Any, status: int = 200, **context: Any) -> HttpResponse:
    """Show a page of the door. Nothing on it comes from the desk unless the person has come in."""
    if verifying.is_verified(request):
        frame = admin.site.each_context(request)
    else:
        site = admin.site
        frame = {"site_title": site.site_title, "site_header": site.site_header, "is_nav_sidebar_enabled": False}
    return render(request, template, {**frame, "title": title, **context}, status=status)


@method_decorator([sensitive_post_parameters(), csrf_protect, never_cache], name="dispatch")
class LogIn(LoginView):
    """The first of two factors. Who has given it is led to the second, wherever they wanted to go."""

    authentication_form = LoginForm
    template_name = "admin/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        user: Any = request.user
        if request.method in {"GET", "HEAD"} and user.is_authenticated and user.is_active and user.is_staff:
            if verifying.is_verified(request):
                return redirect(next_page(request))
            return redirect(by_way_of("organisers:second_factor", request))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        auth_login(self.request, form.get_user())
        verifying.begin(self.request)
        return redirect(by_way_of("organisers:second_factor", self.request))

    def form_invalid(self, form: Any) -> Any:
        return self.render_to_response(self.get_context_data(form=form), status=429 if form.locked else 200)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        frame = {
            "site_title": admin.site.site_title,
            "site_header": admin.site.site_header,
            "title": _("Log in"),
            "app_path": self.request.get_full_path(),
            "username": self.request.user.get_username(),
            "next": next_page(self.request),
        }
        return {**super().get_context_data(**kwargs), **frame}


@door("GET", "HEAD", "POST")
@halfway
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor."""
    user: Any = request.user
    if verifying.is_verified(request):
        return redirect(next_page(request))
    if not verifying.factors(user) and not verifying.recovery_codes_left(user):
        return redirect(by_way_of("organisers:set_up", request))
    form = CodeForm(request.POST or None)
    device, status = _device_of(request, form)
    if device:
        response = redirect(next_page(request))
        _enter(request, response, device)
        return response
    context = {"form": form, "passkeys": verifying.passkeys(user), "next": next_page(request)}
    return show(request, "organisers/second_factor.html", _("Second step"), status, **context)


class WrongCode(Exception):
    pass


def _device_of(request: HttpRequest, form: CodeForm) -> tuple[Any, int]:
    """Return the factor whose code was typed, or None, after which the form says why; and the page's status."""
    if not form.is_valid():
        return None, 200
    user: Any = request.user
    try:
        with lockout.attempt(request, user.get_username(), Factor.SECOND):
            device = verifying.device_for(user, form.cleaned_data["code"])
            if device is None:
                raise WrongCode
    except lockout.Locked as locked:
        form.add_error(None, str(locked.message))
        return None, 429
    except WrongCode:
        form.add_error("code", _("This code is wrong, or was used already. Wait for the app's next one."))
        return None, 200
    return device, 200


def _enter(request: HttpRequest, response: HttpResponse, device: Any) -> None:
    user: Any = request.user
    verifying.complete(request, device)
    if isinstance(device, StaticDevice):
        left = verifying.recovery_codes_left(user)
        text = ngettext(
            "You used a recovery code. %(left)d is left. Make new ones, and add your new phone, under “Second factor”.",
            "You used a recovery code. %(left)d are left. Make new ones, and add your new phone, under "
            "“Second factor”.",
            left,
        )
        messages.warning(request, text % {"left": left})
    lockout.remember(response, user.get_username())


def only_inside(view: View) -> View:
    """Send to the login whom the desk would not let in either."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not verifying.is_verified(request):
            return redirect("admin:login")
        return view(request, *args, **kwargs)

    return wrapped


def ask_again(request: HttpRequest, form: CodeForm | None = None, there: str = "", status: int = 403) -> HttpResponse:
    """
    Ask for the second factor again, and hold in the page itself what was being done.

    The password is not asked for: at a computer left alone, its browser would fill it in.
    """
    there = there or request.get_full_path()
    carried, lost = reauthenticating.carried(request)
    context = {
        "form": form or CodeForm(prefix=reauthenticating.PREFIX),
        "passkeys": verifying.passkeys(request.user),
        "carried": carried,
        "lost": lost,
        "is_act": bool(carried),
        # No page comes after it.
        "is_download": bool(carried) and there.partition("?")[0].endswith("/export/"),
        "next": there,
        "minutes": settings.REAUTHENTICATION_MINUTES,
    }
    return show(request, "organisers/again.html", _("Is it still you?"), status, **context)


@sensitive_post_parameters()
@door("POST")
@only_inside
def again(request: HttpRequest) -> HttpResponse:
    """Take the second factor again; then go on with what was asked, as it was asked: 307 posts the same once more."""
    there = reauthenticating.next_page(request)
    if reauthenticating.is_recent(request):  # a passkey was used on the page
        return reauthenticating.go_on(request, there)
    form = CodeForm(request.POST, prefix=reauthenticating.PREFIX)
    device, status = _device_of(request, form)
    if device is None:
        return ask_again(request, form, there, status)
    response = reauthenticating.go_on(request, there)
    _enter(request, response, device)
    return response


def recently(view: View) -> View:
    """Ask whoever is inside, and has not given a factor lately, for one, before this page or what is posted to it."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if verifying.is_verified(request) and not reauthenticating.is_recent(request):
            return ask_again(request)
        return view(request, *args, **kwargs)

    return wrapped


@door("GET", "HEAD", "POST")
@halfway
@recently
def set_up(request: HttpRequest) -> HttpResponse:
    """Let somebody add a second factor: the first one after the password, further ones once they are in."""
    user: Any = request.user
    mine = verifying.factors(user)
    if not verifying.is_verified(request) and (mine or verifying.recovery_codes_left(user)):
        return redirect(by_way_of("organisers:second_factor", request))
    form = CodeForm(request.POST or None)
    if form.is_valid():
        device = verifying.confirm_app(user, form.cleaned_data["code"])
        if device is None:
            form.add_error("code", _("This code is not the app's. Is the clock of your phone right?"))
        elif mine:
            messages.success(request, _("The app is added."))
            return redirect("organisers:set_up")
        else:
            verifying.complete(request, device)
            response = _new_codes(request)
            lockout.remember(response, user.get_username())
            return response
    app = verifying.app_to_confirm(user)
    context: dict[str, Any] = {
        "form": form,
        "mine": mine,
        "codes_left": verifying.recovery_codes_left(user),
        "secret": verifying.secret_of(app),
        "uri": app.config_url,
        "picture": verifying.picture_of(app),
        "passkeys_here": passkeys.has_a_name(request),
        "trial_code": verifying.code_now(app) if settings.DEVELOPMENT and not mine else "",
        "next": next_page(request),
        "codes_url": by_way_of("organisers:recovery_codes", request),
    }
    title = _("Second factor") if mine else _("Set up your second factor")
    return show(request, "organisers/set_up.html", title, **context)


def _new_codes(request: HttpRequest) -> HttpResponse:
    codes = verifying.new_recovery_codes(request.user)
    return show(
        request, "organisers/recovery_codes.html", _("Your recovery codes"), codes=codes, next=next_page(request)
    )


@door("POST")
@only_inside
@recently
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes, and show them once."""
    return _new_codes(request)


@door("POST")
@only_inside
@recently
def remove(request: HttpRequest) -> HttpResponse:
    """Remove one of one's own second factors, never the last."""
    try:
        verifying.remove(request.user, request.POST.get("device", ""))
    except verifying.LastFactor:
        messages.error(request, _("This is your only second factor. Add another one first, then remove it."))
    else:
        messages.success(request, _("Removed."))
    return redirect("organisers:set_up" if verifying.factors(request.user) else "admin:login")


@door("POST")
def leave(request: HttpRequest) -> HttpResponse:
    """Log out, also halfway in."""
    auth_logout(request)
    return redirect("admin:login")


@sensitive_post_parameters()
@door("GET", "HEAD", "POST")
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Let an invited person choose a name and a password; a second factor comes next. GET changes nothing."""
    try:
        invited = inviting.found(token)
        form = AccountForm(request.POST or None)
        if form.is_valid():
            try:
                inviting.accept(invited, form.save(commit=False))
            except IntegrityError:  # somebody took the name a moment ago
                form.add_error("username", _("A user with that username already exists."))
            else:
                auth_logout(request)
                auth_login(request, form.instance, backend=BACKEND)
                verifying.begin(request)
                return redirect("organisers:set_up")
    except inviting.NotOpen:
        return show(request, "organisers/invitation_over.html", _("This invitation is over"), 410)
    context = {"form": form, "invitation": invited}
    return show(request, "organisers/invitation.html", _("Welcome"), 400 if form.is_bound else 200, **context)


def sessions_page(request: HttpRequest) -> HttpResponse:
    """One's own sessions, to end one or all others. Behind the desk's permission."""
    user: Any = request.user
    if request.method == "POST":
        handle = request.POST.get("session", "")
        ended = sessions.end(user, handle=handle, but=request.session.session_key)
        text = ngettext("%(ended)d session was ended.", "%(ended)d sessions were ended.", ended)
        messages.success(request, text % {"ended": ended})
        return HttpResponseRedirect(request.path)
    rows = [(row, row.session_key == request.session.session_key) for row in sessions.sessions_of(user)]
    context = {"rows": rows, "hours": settings.SESSION_HOURS, "minutes": settings.SESSION_IDLE_MINUTES}
    return show(request, "organisers/sessions.html", _("Your sessions"), **context)
