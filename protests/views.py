"""The pages on which letters are read, signed, confirmed and followed."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.html import escape
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_safe

from campaign import cards
from campaign.cacheable import cacheable
from campaign.cacheable import country as country_code
from campaign.context_processors import MIRROR
from campaign.cookieless import SeeOther, behind_a_mailed_link, cookieless
from campaign.countries import country_name
from campaign.editions import remembered
from campaign.previewing import is_preview
from limits.asking import TOLD, proof_page
from limits.judging import sender
from outbox.capping import MAILS_A_DAY
from outbox.models import WAITING, State
from privacy.showing import shown
from privacy.tags import tag
from protests import addressing, holding, proving, signing, wording
from protests.by_hand import OwnMail, anywhere, blanks, own_mail
from protests.emails import Paper, papers
from protests.forms import CountryForm, SigningForm
from protests.models import (
    CONFIRM_WITHIN,
    HELD_FOR,
    UNSENT,
    ConfirmationMail,
    Delivery,
    Letter,
    LetterText,
    Signature,
)
from protests.pacing import why_waiting
from protests.wording import varies, vary

NAMES_SHOWN = 10
# Stands in a page that is kept, in the place of the signer's address.
THE_ADDRESS = "[the address]"
# Among how many of the newest signatures.
NAMES_SOUGHT = 500


@require_safe
@cacheable()
def letters(request: HttpRequest) -> HttpResponse:
    found = Letter.objects.published().with_signed().select_related("strike").prefetch_related("translations")
    context = {
        "letters": [letter for letter in found if letter.is_open],
        "closed": [letter for letter in found if letter.is_closed],
    }
    return render(request, "protests/letters.html", context)


@require_safe
def card(request: HttpRequest, slug: str) -> HttpResponse:
    """The picture that services show beside a link to the letter."""
    return cards.answer(get_object_or_404(Letter.objects.published(), slug=slug).title)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable(country=country_code)
def letter(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the letter and its form; take the form, to preview or to sign."""
    if request.method != "POST":
        found = _letter(request, slug)
        country = _country(request)
        form = SigningForm(letter=found, initial={"country": country})
        return _letter_page(request, found, form, country=country)
    found = _letter_to_sign(request, slug)
    if not found.is_open:
        return _letter_page(request, found, SigningForm(letter=found), status=400)
    preview = "preview" in request.POST
    form = SigningForm(request.POST, letter=found, preview=preview)
    if not form.is_valid():
        return _letter_page(request, found, form, country=form.cleaned_data.get("country", ""), status=400)
    if preview:
        return _letter_page(request, found, form, country=form.cleaned_data["country"], preview=_preview(found, form))
    return _taken(request, found, form)


def _taken(request: HttpRequest, letter: Letter, form: SigningForm) -> HttpResponse:
    """Take a signature, and say what becomes of it."""
    given = {name: value for name, value in form.cleaned_data.items() if name != "consent_letter"}
    verdict = holding.take(letter, sender(request, given["email"]), **given, locale=get_language() or "")
    if verdict.ask:
        return proof_page(request, "protests/prove.html", f"{letter.get_absolute_url()}#sign", form.fields)
    context = {"letter": letter, "email": given["email"], "days": CONFIRM_WITHIN.days, "mails": MAILS_A_DAY}
    if verdict.hold:
        context |= {"why": TOLD[verdict.hold], "days": HELD_FOR.days}
        return render(request, "protests/held.html", context)
    if request.GET:
        return render(request, "protests/mailed.html", context)
    # For all who sign it is the same page but for the address: laid out once.
    page = remembered(
        request,
        ("mailed", letter.slug, get_language()),
        lambda: render_to_string("protests/mailed.html", context | {"email": THE_ADDRESS}, request),
    )
    return HttpResponse(page.replace(THE_ADDRESS, escape(given["email"])))


def _letter(request: HttpRequest, slug: str) -> Letter:
    """Return a published letter; a draft only to an organiser who asks for its preview."""
    letters = Letter.objects.with_signed().select_related("strike").prefetch_related("translations")
    found = get_object_or_404(letters, slug=slug)
    if not found.translations.all() or not (is_preview(request, Letter) or found.is_published):
        raise Http404
    return found


def _letter_to_sign(request: HttpRequest, slug: str) -> Letter:
    """Return a letter for a post, of which thousands may come while it stays the same."""
    if "preview" in request.GET:
        return _letter(request, slug)
    return remembered(request, ("letter", slug, get_language()), lambda: _letter(request, slug))


def _kept_private(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Keep what only an organiser may see out of every cache."""
    if "preview" in request.GET:
        patch_cache_control(response, private=True, no_store=True)
    return response


def _country(request: HttpRequest) -> str:
    return country_code(request.GET.get("country", ""))


def _preview(letter: Letter, form: SigningForm) -> list[Paper]:
    typed = form.cleaned_data
    unsaved = Signature(
        letter=letter,
        text=LetterText.now(letter, get_language() or ""),
        name=typed["name"],
        country=typed["country"],
        own_words=typed["own_words"],
        organisation=typed["organisation"],
    )
    return papers(unsaved, addressing.recipients(letter, typed["country"]))


def _letter_page(
    request: HttpRequest,
    letter: Letter,
    form: SigningForm,
    *,
    country: str = "",
    preview: list[Paper] | None = None,
    status: int = 200,
) -> HttpResponse:
    text = LetterText.now(letter, get_language() or "")
    newest = letter.signatures.counted().order_by("-confirmed_at", "-pk")
    # Where nearly all stay anonymous, looking for ten names would read every signature.
    lately = Signature.objects.filter(pk__in=newest.values("pk")[:NAMES_SOUGHT])
    named = lately.exclude(display=Signature.Display.ANONYMOUS).exclude(name="").order_by("-confirmed_at", "-pk")
    overview = addressing.overview(letter)
    context = {
        "letter": letter,
        "text": text,
        "outline": wording.outline(vary(text.subject, ""), vary(text.body, "")),
        "varies": varies(text.subject + text.body),
        "form": form,
        "who_form": CountryForm(initial={"country": country}),
        "overview": overview,
        "kept_days": Signature.personal["name"].days,
        "names": [shown(signature.name, signature.display) for signature in named[:NAMES_SHOWN]],
        "preview": preview,
        "previewed": [own_mail(sheet) for sheet in preview or ()],
        **_who(letter, country),
    }
    if MIRROR in request.META and letter.is_open:  # a copy asks for no country
        sheets = anywhere(letter, get_language() or "", overview.elsewhere)
        context["elsewhere"] = [own_mail(sheet) for sheet in sheets]
    if preview:
        context["blanks"] = []  # the same letters stand in the preview, filled in
    return _kept_private(request, render(request, "protests/letter.html", context, status=status))


def _who(letter: Letter, country: str) -> dict[str, Any]:
    return {
        "country": country,
        "country_name": country_name(country) if country else "",
        "targets": addressing.recipients(letter, country) if country else [],
        "text": LetterText.now(letter, get_language() or ""),
        "blanks": _blanks(letter, country),
    }


def _blanks(letter: Letter, country: str) -> list[OwnMail]:
    """Return the letters for people's own mail programs, as long as the letter is open."""
    if not country or not letter.is_open:
        return []
    return [own_mail(sheet) for sheet in blanks(letter, country, get_language() or "")]


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable(country=country_code)
def on_paper(request: HttpRequest, slug: str) -> HttpResponse:
    """
    Show the letters for printing: from ?country= with the name left blank, or with what the form holds.

    What is posted is written nowhere.
    """
    found = _letter(request, slug)
    if not found.is_open:
        return SeeOther(found.get_absolute_url())
    if request.method != "POST":
        country = _country(request)
        sheets = blanks(found, country, get_language() or "", on_paper=True) if country else []
        return _paper_page(request, found, sheets, country=country)
    form = SigningForm(request.POST, letter=found, preview=True)
    if not form.is_valid():
        return _letter_page(request, found, form, country=form.cleaned_data.get("country", ""), status=400)
    response = _paper_page(request, found, _preview(found, form), country=form.cleaned_data["country"])
    response["Cache-Control"] = "private, no-store"
    return response


def _paper_page(request: HttpRequest, letter: Letter, sheets: list[Paper], *, country: str) -> HttpResponse:
    context = {
        "letter": letter,
        "text": LetterText.now(letter, get_language() or ""),
        "sheets": sheets,
        "country": country,
        "country_name": country_name(country) if country else "",
        "who_form": CountryForm(initial={"country": country}),
    }
    return render(request, "protests/on_paper.html", context)


@require_safe
@cacheable(country=country_code)
def recipients(request: HttpRequest, slug: str) -> HttpResponse:
    """Return who gets the letter from ?country=, as a piece of a page for static/js/letter.js."""
    found = _letter(request, slug)
    context = {"letter": found, **_who(found, _country(request))}
    return _kept_private(request, render(request, "protests/recipients.html", context))


def secret(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Look up whose mailed secret is in the path, and keep the page out of caches, search engines and referrers."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: str) -> HttpResponse:
        (code,) = kwargs.values()
        mail = (
            ConfirmationMail.objects.filter(token_hash=tag("token", code), expires_at__gt=timezone.now())
            .select_related("signature__letter__strike", "signature__text")
            .prefetch_related("signature__letter__translations")
            .first()
        )
        try:
            if mail is None:
                raise Signature.DoesNotExist
            response = view(request, mail.signature, code)
        except Signature.DoesNotExist:
            response = render(request, "protests/link_unknown.html", status=404)
        return behind_a_mailed_link(response)

    return wrapped


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@secret
def confirm(request: HttpRequest, signature: Signature, code: str) -> HttpResponse:
    """Ask the owner of the address to confirm. Reading the page changes nothing: mail scanners open links."""
    if request.method != "POST":
        return _confirm_page(request, signature, code)
    if request.POST.get("action") == "delete":
        if signing.discard(signature):
            return render(request, "protests/discarded.html", {"letter": signature.letter})
        return SeeOther(reverse("protests:receipt", args=[code]))
    try:
        signing.confirm(signature, seen=request.POST.get("seen"), code=code)
    except signing.CannotConfirm as refusal:
        signature = Signature.objects.select_related("letter__strike", "text").get(pk=signature.pk)
        return _confirm_page(request, signature, code, changed=isinstance(refusal, signing.Changed), status=400)
    return SeeOther(reverse("protests:receipt", args=[code]))


def _confirm_page(
    request: HttpRequest, signature: Signature, code: str, *, changed: bool = False, status: int = 200
) -> HttpResponse:
    targets = addressing.recipients(signature.letter, signature.country)
    unsent = signing.unsent(signature, targets)
    context = {
        "signature": signature,
        "letter": signature.letter,
        "code": code,
        "changed": changed,
        "lapsed": signature.confirmed_at is None and signing.has_lapsed(signature),
        "unsent": unsent,
        "seen": signing.fingerprint(signature, unsent),
        "targets": targets,
        "days": CONFIRM_WITHIN.days,
    }
    return render(request, "protests/confirm.html", context, status=status)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@secret
def receipt(request: HttpRequest, signature: Signature, code: str) -> HttpResponse:
    """Show where one's letters stand; withdraw on the second press."""
    asked = request.method == "POST" and request.POST.get("action") == "withdraw"
    if asked and signature.confirmed_at is not None and request.POST.get("sure") == "1":
        signing.withdraw(signature)
        return SeeOther(reverse("protests:receipt", args=[code]))
    deliveries = list(Delivery.for_composing().filter(signature=signature).order_by("target__name", "pk"))
    sheets = papers(signature, [delivery.target for delivery in deliveries])
    stands = signature.confirmed_at is not None and signature.withdrawn_at is None
    unsent = [sheet for delivery, sheet in zip(deliveries, sheets, strict=True) if delivery.state in UNSENT]
    reasons = why_waiting(deliveries)
    logged = proving.proofs(signature, code, deliveries)
    context = {
        "signature": signature,
        "letter": signature.letter,
        "code": code,
        "letters": [(one, sheet, reasons.get(one.pk)) for one, sheet in zip(deliveries, sheets, strict=True)],
        "waiting": sum(delivery.state in WAITING for delivery in deliveries),
        "asked": asked,
        "proofs": logged,
        "live": settings.MAIL_LIVE,
        # Accepted, and not in the log yet; or there, but not to be shown by this link any more.
        "unproved": len([one for one in deliveries if one.state == State.ACCEPTED]) > len(logged),
        "unsent": unsent if stands else [],
        # Without the name, which has its date, only the letter's own page has something to send.
        "by_hand": [own_mail(sheet) for sheet in unsent] if stands and signature.name else [],
    }
    return render(request, "protests/receipt.html", context)


@require_safe
@secret
def proof(request: HttpRequest, signature: Signature, code: str) -> HttpResponse:
    """The file that a supporter keeps, with which anybody finds their letters in the public log."""
    deliveries = list(Delivery.objects.filter(signature=signature))
    found = proving.proofs(signature, code, deliveries)
    if not found:
        return SeeOther(reverse("protests:receipt", args=[code]))
    response = JsonResponse(proving.receipt(found), json_dumps_params={"ensure_ascii": False, "indent": 1})
    response["Content-Disposition"] = 'attachment; filename="letter-proof.json"'
    return response
