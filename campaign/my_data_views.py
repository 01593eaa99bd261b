"""The pages on which people see what is held of them, correct it, take it along, and have it deleted."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from crispy_forms.helper import FormHelper
from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_safe

from campaign import my_data as door
from campaign.cacheable import cacheable
from campaign.cookieless import SeeOther, behind_a_mailed_link, cookieless
from campaign.forms import MyDataForm
from campaign.models import OPEN_FOR, MyDataMail
from campaign.subscribing import TOLD, TOO_FAST
from limits.asking import proof_page
from limits.judging import sender
from limits.models import Why
from outbox.capping import MAILS_A_DAY
from privacy.erasing import NotRecorded
from privacy.holding import Busy, Held

View = Callable[..., HttpResponse]


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def my_data(request: HttpRequest) -> HttpResponse:
    """Show the form for one's address, and take it. The answer is the same whatever is known of the address."""
    form = MyDataForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "campaign/my_data.html", {"form": form}, status=400 if form.is_bound else 200)
    email = form.cleaned_data["email"]
    verdict = door.take(sender(request, email), email=email, language=get_language() or "")
    if verdict.ask:
        return proof_page(request, "campaign/my_data_prove.html", reverse("campaign:my_data"), form.fields)
    if verdict.hold is Why.TOO_FAST:
        form.add_error(None, TOO_FAST)
        return render(request, "campaign/my_data.html", {"form": form}, status=429)
    if verdict.hold:
        return render(request, "campaign/my_data_not_now.html", {"why": TOLD[verdict.hold]}, status=429)
    context = {"email": email, "hours": _hours(), "mails": MAILS_A_DAY}
    return render(request, "campaign/my_data_mailed.html", context)


def _hours() -> int:
    return int(OPEN_FOR.total_seconds()) // 3600


def secret(view: View) -> View:
    """Look up whose mailed secret is in the path, and keep the page out of caches, search engines and referrers."""

    @wraps(view)
    def wrapped(request: HttpRequest, token: str) -> HttpResponse:
        mail = door.of_token(token)
        try:
            if mail is None:
                raise door.LinkUsed
            response = view(request, mail, token)
        except door.LinkUsed:
            response = render(request, "campaign/my_data_unknown.html", {"hours": _hours()}, status=404)
        except (Busy, NotRecorded):
            response = render(request, "campaign/my_data_busy.html", {"token": token}, status=503)
            response["Retry-After"] = "60"
        return behind_a_mailed_link(response)

    return wrapped


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@secret
def page(request: HttpRequest, mail: MyDataMail, token: str) -> HttpResponse:
    """Show all that is held; ask before an act, and do it. Reading the page changes nothing: mail scanners open it."""
    if request.method != "POST":
        return _page(request, mail, token)
    action, key, name = (request.POST.get(field, "") for field in ("action", "item", "act"))
    match action:
        case "ask":
            return _ask(request, mail, token, key, name)
        case "act":
            return _changed(request, mail, token, key, lambda held: held.acts[name].do if name in held.acts else None)
        case "correct":
            return _correct(request, mail, token, key)
        case "end":
            door.end(mail)
            return render(request, "campaign/my_data_ended.html")
    raise BadRequest


def _page(request: HttpRequest, mail: MyDataMail, token: str, *, status: int = 200, **more: Any) -> HttpResponse:
    found = door.held(mail)
    shown = [(held, _form(held)) for held in found]
    context = {"mail": mail, "token": token, "shown": shown, "known": _known(found), **more}
    return render(request, "campaign/my_data_page.html", context, status=status)


def _known(found: list[Held]) -> int:
    """Return how many things are held beside the wish to see them."""
    return sum(held.kind != "request" for held in found)


def _form(held: Held, posted: Any = None) -> Any:
    if held.correction is None:
        return None
    form = held.correction.form(posted, initial=dict(held.correction.initial), prefix=held.key)
    form.helper = FormHelper()  # type: ignore[attr-defined]
    form.helper.form_tag = False  # type: ignore[attr-defined]
    form.helper.disable_csrf = True  # type: ignore[attr-defined]
    return form


def _ask(request: HttpRequest, mail: MyDataMail, token: str, key: str, name: str) -> HttpResponse:
    """Say what an act will do, before it is done."""
    held = next((one for one in door.held(mail) if one.key == key and name in one.acts), None)
    if held is None:
        return _page(request, mail, token, gone=True, status=409)
    context = {"held": held, "act": held.acts[name], "name": name, "token": token}
    return render(request, "campaign/my_data_sure.html", context)


def _correct(request: HttpRequest, mail: MyDataMail, token: str, key: str) -> HttpResponse:
    held = next((one for one in door.held(mail) if one.key == key and one.correction), None)
    form = _form(held, request.POST) if held else None
    if held is None or form is None:
        return _page(request, mail, token, gone=True, status=409)
    if not form.is_valid():
        context = {"held": held, "form": form, "token": token}
        return render(request, "campaign/my_data_correct.html", context, status=400)
    typed = form.cleaned_data

    def choose(held: Held) -> Callable[[], object] | None:
        return partial(held.correction.save, typed) if held.correction else None

    return _changed(request, mail, token, key, choose)


def _changed(
    request: HttpRequest,
    mail: MyDataMail,
    token: str,
    key: str,
    choose: Callable[[Held], Callable[[], object] | None],
) -> HttpResponse:
    try:
        fresh = door.change(mail, key, choose)
    except door.Gone:
        return _page(request, mail, token, gone=True, status=409)
    except ValidationError as error:
        return _page(request, mail, token, refused=error.messages, status=409)
    return SeeOther(reverse("campaign:my_data_page", args=[fresh or token]))


@require_safe
@secret
def download(request: HttpRequest, mail: MyDataMail, token: str) -> HttpResponse:
    """Hand out the same for a program to read."""
    response = JsonResponse(door.as_data(door.held(mail)), json_dumps_params={"ensure_ascii": False, "indent": 2})
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@secret
def erase(request: HttpRequest, mail: MyDataMail, token: str) -> HttpResponse:
    """Say what goes and what stays; erase everything when the box is ticked."""
    missing = False
    if request.method == "POST":
        if request.POST.get("sure") == "1":
            door.erase_mine(mail)
            return render(request, "campaign/my_data_erased.html")
        missing = True
    found = door.held(mail)
    context = {"token": token, "found": found, "known": _known(found), "missing": missing}
    return render(request, "campaign/my_data_erase.html", context, status=400 if missing else 200)
