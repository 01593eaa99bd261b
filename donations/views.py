"""The fund's pages, and a donor's way from the form to the confirmed pledge."""

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from campaign.cookieless import cookieless
from donations import accounts, giving, references
from donations.forms import AccountForm, PledgeForm
from donations.models import CONFIRM_WITHIN, Fund, Pledge, PledgeMail
from privacy.tags import tag

NEWEST = 50


def _fund(slug: str | None) -> Fund | None:
    """Return the published fund with this slug, without one the newest, or None. Raises Http404 for an unknown slug."""
    funds = Fund.objects.published().prefetch_related("translations")
    if slug and "\0" in slug:  # PostgreSQL takes no such text
        raise Http404
    return get_object_or_404(funds, slug=slug) if slug else funds.first()


def _context(fund: Fund, made: Pledge | None = None) -> dict[str, object]:
    """Return what every page that may tell how to pay shows."""
    context: dict[str, object] = {"fund": fund, "account": accounts.payable(fund), "confirm_days": CONFIRM_WITHIN.days}
    if made:
        context |= {"pledge": made, "ogm": references.ogm(made.number), "rf": references.rf(made.number)}
    return context


@require_safe
def fund(request: HttpRequest) -> HttpResponse:
    shown = _fund(request.GET.get("fund"))
    if not shown:
        return render(request, "donations/no_fund.html")
    transactions = shown.transactions.select_related("reversal")
    context = {
        "fund": shown,
        "accounts": accounts.shown(shown),
        "others": Fund.objects.published().exclude(pk=shown.pk).prefetch_related("translations"),
        "totals": giving.totals(shown),
        "supporters": giving.supporters(shown),
        "transactions": transactions[:NEWEST],
        "transactions_count": transactions.count(),
    }
    return render(request, "donations/fund.html", context)


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
def pledge(request: HttpRequest) -> HttpResponse:
    to = _fund(request.POST.get("fund") or request.GET.get("fund"))
    if not to:
        return render(request, "donations/no_fund.html", status=404)
    form = PledgeForm(to, request.POST if request.method == "POST" else None)
    if not form.is_bound:
        return render(request, "donations/pledge.html", _context(to) | {"form": form})
    if not form.is_valid():
        return render(request, "donations/pledge.html", _context(to) | {"form": form}, status=400)
    made = giving.pledge(to, **form.pledge(), locale=get_language() or "en")
    response = render(request, "donations/pledged.html", _context(to, made))
    response["Cache-Control"] = "private, no-store"
    return response


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cache_control(private=True, no_store=True)
def instructions(request: HttpRequest, token: str) -> HttpResponse:
    """Show a pledge to the owner of the address it was made with. Only a pressed button changes it."""
    mails = PledgeMail.objects.select_related("pledge__fund")
    mail = mails.filter(token_hash=tag("token", token), expires_at__gt=timezone.now()).first()
    if not mail:
        return render(request, "donations/unknown_link.html", status=404)
    made, asks = mail.pledge, False
    if request.method == "POST":
        match request.POST.get("action"), request.POST.get("sure"):
            case "confirm", _:
                giving.confirm(made)
            case "withdraw", "1":
                giving.withdraw(made)
            case "withdraw", _:
                asks = True
            case _:
                raise BadRequest
        made.refresh_from_db()
    response = render(request, "donations/instructions.html", _context(made.fund, made) | {"asks": asks})
    response["X-Robots-Tag"] = "noindex"
    return response
