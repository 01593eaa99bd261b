"""The fund's pages, and a donor's way from the form to the confirmed pledge, and to its change and its end."""

import logging
from collections.abc import Callable, Iterator
from functools import wraps
from threading import Semaphore
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import condition, require_http_methods, require_safe

from campaign.cacheable import as_typed, cacheable
from campaign.cookieless import SeeOther, cookieless
from campaign.models import Document, Strike
from campaign.previewing import is_preview
from campaign.streaming import OneAtATime
from campaign.typesetting import TypesettingError
from donations import (
    accounts,
    charting,
    collecting,
    disbursing,
    documents,
    giving,
    holding,
    instalments,
    publishing,
    rates,
    references,
)
from donations.forms import AccountForm, ChangeForm, PledgeForm
from donations.instructions import of_appeal, of_pledge
from donations.ledger import BusyError
from donations.models import CONFIRM_WITHIN, HELD_FOR, Fund, Pledge, PledgeMail, Transaction
from limits.asking import TOLD, proof_page
from limits.judging import sender
from outbox.capping import MAILS_A_DAY
from privacy.tags import tag

logger = logging.getLogger(__name__)
NEWEST = 50


def _fund(slug: str | None) -> Fund | None:
    """Return the published fund with this slug, without one the newest, or None. Raises Http404 for an unknown slug."""
    funds = Fund.objects.published().prefetch_related("translations")
    if slug and "\0" in slug:  # PostgreSQL takes no such text
        raise Http404
    return get_object_or_404(funds, slug=slug) if slug else funds.first()


def _context(fund: Fund, made: Pledge | None = None) -> dict[str, Any]:
    """Return what every page that may tell how to pay shows."""
    if made is None:
        return {"fund": fund, "told": of_appeal(fund), "confirm_days": CONFIRM_WITHIN.days}
    return {
        "fund": fund,
        "pledge": made,
        "told": of_pledge(made),
        "ogm": references.ogm(made.number),
        "rf": references.rf(made.number),
        "confirm_days": CONFIRM_WITHIN.days,
    }


@require_safe
@cacheable(fund=as_typed)
def fund(request: HttpRequest) -> HttpResponse:
    shown = _fund(request.GET.get("fund"))
    if not shown:
        return render(request, "donations/no_fund.html")
    told = accounts.shown(shown)
    transactions = shown.transactions.select_related("reversal").defer(*Transaction.erasable)
    paid_out = disbursing.public(shown)
    totals = giving.totals(shown)
    context = {
        "fund": shown,
        "accounts": told,
        "earlier_accounts": [] if told.is_doubtful else accounts.earlier(shown),
        "others": Fund.objects.published().exclude(pk=shown.pk).prefetch_related("translations"),
        "totals": totals,
        "about": rates.about(shown, totals),
        "charts": charting.of(shown),
        "supporters": giving.supporters(shown),
        "supporters_after_days": giving.SHOWN_AFTER.days,
        "transactions": transactions[:NEWEST],
        "transactions_count": transactions.count(),
        "disbursements": paid_out[:NEWEST],
        "disbursements_count": paid_out.count(),
        "collections": collecting.public(shown)[:NEWEST],
    }
    return render(request, "donations/fund.html", context)


@require_safe
@cacheable(unkept=("before",))
def ledger(request: HttpRequest) -> HttpResponse:
    """Show the entries of the ledger, newest first: a page holds those before an entry."""
    head = publishing.head()
    typed = request.GET.get("before", "")
    # A number that no ledger reaches is as good as one after the end.
    before = int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 15 else head.sequence + 1
    context = {"head": head, "entries": publishing.page(before), "before": before, "per_page": publishing.PER_PAGE}
    return render(request, "donations/ledger.html", context)


def _etag(request: HttpRequest) -> str:
    return publishing.etag()


@require_safe
@condition(etag_func=_etag)
def ledger_csv(request: HttpRequest) -> HttpResponseBase:
    return _download(publishing.as_csv(), "text/csv; charset=utf-8", "ledger.csv")


@require_safe
@condition(etag_func=_etag)
def ledger_json(request: HttpRequest) -> HttpResponseBase:
    return _download(publishing.as_json(), "application/json", "ledger.json")


_TURN = Semaphore()


def _download(made: Iterator[str], media_type: str, name: str) -> HttpResponseBase:
    parts = OneAtATime(made, _TURN)
    if not parts.is_ours:
        busy = _("Somebody else is downloading the ledger at this moment. Please try again in a minute.")
        headers = {"Retry-After": "60", "Cache-Control": "no-store"}
        return HttpResponse(busy, status=503, content_type="text/plain; charset=utf-8", headers=headers)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Robots-Tag": "noindex",
        "Cache-Control": "public, max-age=60",
    }
    return StreamingHttpResponse(parts, content_type=media_type, headers=headers)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Whether an account number that somebody was told is the fund's. By POST, so that it stands in no log."""
    form = AccountForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "donations/account_check.html", {"form": form}, status=400 if form.is_bound else 200)
    answer, found = accounts.check(form.cleaned_data["iban"])
    context = {"form": form, "answer": answer, "is_right": answer == accounts.Answer.RIGHT, "fund": found}
    response = render(request, "donations/account_check.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable(fund=as_typed)
def pledge(request: HttpRequest) -> HttpResponse:
    to = _fund(request.POST.get("fund") or request.GET.get("fund"))
    if not to:
        return render(request, "donations/no_fund.html", status=404)
    form = PledgeForm(to, request.POST if request.method == "POST" else None)
    if not form.is_bound:
        return render(request, "donations/pledge.html", _context(to) | {"form": form})
    if not form.is_valid():
        return render(request, "donations/pledge.html", _context(to) | {"form": form}, status=400)
    given = form.pledge()
    verdict, made = holding.take(to, sender(request, given["email"]), **given, locale=get_language() or "en")
    if verdict.ask:
        fields = ["fund", *form.fields]
        return proof_page(request, "donations/prove.html", reverse("donations:pledge"), fields, fund=to)
    if verdict.hold:
        context = {"fund": to, "why": TOLD[verdict.hold], "days": HELD_FOR.days, "mails": MAILS_A_DAY}
        response = render(request, "donations/held.html", context)
    else:
        response = render(request, "donations/pledged.html", _context(to, made))
    response["Cache-Control"] = "private, no-store"
    return response


def secret(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Look up whose mailed secret is in the path, and keep the page out of caches and search engines."""

    @wraps(view)
    def wrapped(request: HttpRequest, token: str, **kwargs: str) -> HttpResponse:
        mails = PledgeMail.objects.select_related("pledge__fund")
        mail = mails.filter(token_hash=tag("token", token), expires_at__gt=timezone.now()).first()
        if mail is None:
            response = render(request, "donations/unknown_link.html", status=404)
        else:
            try:
                response = view(request, mail.pledge, token, **kwargs)
            except BusyError:
                response = render(request, "donations/busy.html", {"token": token}, status=503)
                response["Retry-After"] = "60"
        response["Cache-Control"] = "private, no-store"
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapped


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@secret
def instructions(request: HttpRequest, made: Pledge, token: str) -> HttpResponse:
    """Show a pledge to the owner of the address it was made with. Only a pressed button changes it."""
    asks = False
    if request.method == "POST":
        match request.POST.get("action"), request.POST.get("sure"):
            case "confirm", _any:
                giving.confirm(made)
            case "withdraw", "1":
                giving.withdraw(made)
            case "withdraw", _any:
                asks = True
            case "stop", _any:
                giving.stop_reminders(made)
            case "resume", _any:
                giving.resume_reminders(made)
            case _:
                raise BadRequest
        made.refresh_from_db()
    return _instructions_page(request, made, token, asks=asks)


def _instructions_page(request: HttpRequest, made: Pledge, token: str, **more: object) -> HttpResponse:
    context = _context(made.fund, made)
    context |= {
        "token": token,
        "next_on": None if made.withdrawn_at else instalments.following(made, timezone.localdate()),
        "papers": documents.papers(made, context["told"]).values(),
        "receipts": documents.receipts(made).values(),
    }
    return render(request, "donations/instructions.html", context | more)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@secret
def change(request: HttpRequest, made: Pledge, token: str) -> HttpResponse:
    """Ask what is to change, and change it."""
    if made.withdrawn_at or not made.email:
        return SeeOther(reverse("donations:instructions", args=[token]))
    form = ChangeForm(made, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            terms_changed = giving.change(made, **form.cleaned_data)
        except giving.GoneError:
            return SeeOther(reverse("donations:instructions", args=[token]))
        except giving.AlreadyPledgedError:
            form.add_error("amount", _("You made just such a pledge on the same day. Withdraw one of the two instead."))
        else:
            made.refresh_from_db()
            return _instructions_page(request, made, token, changed=True, terms_changed=terms_changed)
    context = _context(made.fund, made) | {"form": form, "token": token}
    return render(request, "donations/change.html", context, status=400 if form.errors else 200)


def _paper(made: Pledge, name: str) -> documents.Sheet:
    known = documents.receipts(made) if name.startswith("receipt-") else documents.papers(made, of_pledge(made))
    try:
        return known[name]
    except KeyError as error:
        raise Http404 from error


@require_safe
@secret
def paper(request: HttpRequest, made: Pledge, token: str, name: str) -> HttpResponse:
    """Show a resolution, a standing order or a receipt, filled in, to print."""
    pdf_url = reverse("donations:paper_pdf", args=[token, name])
    return _sheet_page(request, _paper(made, name), pdf_url, back=reverse("donations:instructions", args=[token]))


@require_safe
@secret
def paper_pdf(request: HttpRequest, made: Pledge, token: str, name: str) -> HttpResponse:
    sheet = _paper(made, name)
    return _pdf(request, sheet.name, lambda: documents.pdf(sheet))


@require_safe
def appeal(request: HttpRequest) -> HttpResponse:
    """Show the appeal to unions, to print."""
    to = _fund(request.GET.get("fund"))
    if to is None:
        return render(request, "donations/no_fund.html", status=404)
    pdf_url = f"{reverse('donations:appeal_pdf')}?fund={to.slug}"
    return _sheet_page(request, documents.appeal(to), pdf_url, back=to.get_absolute_url())


@require_safe
def appeal_pdf(request: HttpRequest) -> HttpResponse:
    to = _fund(request.GET.get("fund"))
    if to is None:
        raise Http404
    sheet = documents.appeal(to)
    return _pdf(request, sheet.name, lambda: documents.public_pdf(sheet))


@require_safe
def document_pdf(request: HttpRequest, slug: str) -> HttpResponse:
    """Give a document to hand on as a PDF: here, as only the fund knows which account may stand below it."""
    preview = is_preview(request, Document)
    rows = Document.objects.prefetch_related(
        "translations", Prefetch("strike", Strike.objects.published().prefetch_related("translations"))
    )
    found = get_object_or_404(rows if preview else rows.published(), slug=slug)
    response = _pdf(request, found.slug, lambda: documents.printed(found))
    if preview:
        patch_cache_control(response, private=True, no_store=True)
    return response


def _sheet_page(request: HttpRequest, sheet: documents.Sheet, pdf_url: str, back: str) -> HttpResponse:
    return render(request, "donations/sheet.html", {"sheet": sheet, "pdf_url": pdf_url, "back": back})


def _pdf(request: HttpRequest, name: str, make: Callable[[], bytes]) -> HttpResponse:
    try:
        made = make()
    except TypesettingError as error:
        logger.error("The PDF %s cannot be made: %s", name, error)
        return render(request, "donations/no_pdf.html", status=503)
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return HttpResponse(made, content_type="application/pdf", headers=headers)
