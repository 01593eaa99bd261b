"""The public pages that tell of the campaign, which leave no trace of the reader, and those of its subscribers."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import BadRequest
from django.db.models import Count, Prefetch, QuerySet, Sum
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_safe

from campaign import cards, keeping, picturing, sharing, subscribing
from campaign.cacheable import cacheable, country, page_number, page_of
from campaign.cookieless import SeeOther, behind_a_mailed_link, cookieless, for_all_sites, from_anywhere
from campaign.countries import country_name
from campaign.forms import ChoicesForm, CommentForm, EndorsementForm, MessageForm, SubscribeForm
from campaign.models import (
    CONFIRM_WITHIN,
    Activist,
    Comment,
    Document,
    Endorsement,
    MessageOfSupport,
    Picture,
    PublishedQuerySet,
    Status,
    Strike,
    Subscriber,
    SubscriptionMail,
    Update,
)
from campaign.previewing import is_preview, may_look
from campaign.searching import named, sent_by
from campaign.sending import take_form
from limits.asking import proof_page
from limits.judging import sender
from limits.models import Why
from outbox.capping import MAILS_A_DAY
from privacy.tags import tag

VERIFIER = settings.BASE_DIR / "tools" / "verify_mirror.py"
NEWEST = 5
ENDORSED = 8
UPDATES_PER_PAGE = MESSAGES_PER_PAGE = 20
ENDORSEMENTS_PER_PAGE = 50
LOCKED_UP = {Status.IN_PRISON, Status.UNDER_ARREST, Status.SENTENCED}
UPDATES_PER_PAGE = 20
MOST_COMMENTS = 200
# Nobody types more to find something, and each word is looked for in all texts.
LONGEST_QUERY, MOST_WORDS = 100, 6


def _status(typed: str) -> str:
    """Return the status of people that `typed` names, or "": which is as good as none."""
    return typed if typed in Status.values else ""


def _page(request: HttpRequest, template: str, queryset: PublishedQuerySet, slug: str, name: str) -> HttpResponse:
    """Show one row as `name` if it is published, or to an organiser who asks for the preview."""
    preview = is_preview(request, queryset.model)
    row: Any = get_object_or_404(queryset if preview else queryset.published(), slug=slug)
    is_draft = preview and not queryset.published().filter(pk=row.pk).exists()
    context = {name: row, "is_draft": is_draft, "in_prison": _locked_up(getattr(row, "people", ()))}
    response = render(request, template, context)
    if preview:
        patch_cache_control(response, private=True, no_store=True)
    return response


def _locked_up(activists: Iterable[Activist]) -> list[Activist]:
    """Return those who are in prison or under arrest, or sentenced to prison."""
    return [activist for activist in activists if activist.status in LOCKED_UP]


@require_safe
@cacheable()
def home(request: HttpRequest) -> HttpResponse:
    in_danger = Activist.objects.published().filter(remembered=False).with_charges()
    strikes = Strike.objects.published().prefetch_related("translations")
    papers = Document.objects.published().filter(kind__in=[Document.Kind.APPEAL, Document.Kind.MOTION])
    context = {
        "strikes": sorted(strikes, key=lambda strike: strike.is_over),
        "activists": in_danger,
        "in_prison": _locked_up(in_danger),
        "papers": papers.prefetch_related("translations")[:NEWEST],
        "voices": MessageOfSupport.objects.published().prefetch_related("translations")[:NEWEST],
        "updates": Update.objects.published().prefetch_related("translations")[:NEWEST],
    }
    return render(request, "campaign/home.html", context)


@require_safe
@cacheable()
def strike(request: HttpRequest, slug: str) -> HttpResponse:
    queryset = Strike.objects.prefetch_related(
        "translations",
        "demands__translations",
        "events__translations",
        "claims__translations",
        "companies__translations",
        "sources",
        "labour__translations",
        "labour__shares__translations",
        *(
            # A draft's preview shows them too: their own date decides.
            Prefetch(related, rows.released()[:most], to_attr=name)
            for related, rows, name, most in (
                ("activists", Activist.objects.with_charges(), "people", None),
                ("messages", MessageOfSupport.objects.prefetch_related("translations"), "support", NEWEST),
                (
                    "endorsements",
                    Endorsement.objects.prefetch_related("translations", "logo__translations"),
                    "endorsed",
                    ENDORSED,
                ),
                ("documents", Document.objects.prefetch_related("translations"), "papers", None),
                ("news", Update.objects.prefetch_related("translations"), "newest_updates", NEWEST),
            )
        ),
    )
    return _page(request, "campaign/strike.html", queryset, slug, "strike")


@require_safe
@cacheable()
def story(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the whole of what the strike's page has in part: the story, the timeline, the claims and answers."""
    queryset = Strike.objects.prefetch_related("translations", "events__translations", "claims__translations")
    return _page(request, "campaign/story.html", queryset, slug, "strike")


@require_safe
@cacheable(unkept=("q",), status=_status)
def activists(request: HttpRequest) -> HttpResponse:
    query, status = request.GET.get("q", "").strip(), _status(request.GET.get("status", ""))
    found = named(Activist.objects.published().with_charges(), query)
    count = Counter(activist.status for activist in found)
    context = {
        "query": query,
        "status": status and Status(status),
        "statuses": [(each, count[each]) for each in Status if count[each] or each == status],
        "activists": [activist for activist in found if not activist.remembered and status in {"", activist.status}],
        "remembered": [activist for activist in found if activist.remembered and not status],
    }
    return render(request, "campaign/activists.html", context)


@require_safe
@cacheable()
def activist(request: HttpRequest, slug: str) -> HttpResponse:
    published_strikes = Strike.objects.published().prefetch_related("translations")
    queryset = Activist.objects.with_charges().prefetch_related(
        Prefetch("strike", published_strikes),
        Prefetch(
            "news", Update.objects.published().prefetch_related("translations")[:NEWEST], to_attr="newest_updates"
        ),
    )
    return _page(request, "campaign/activist.html", queryset, slug, "activist")


@require_safe
@cacheable(unkept=("q",), page=page_number)
def updates(request: HttpRequest) -> HttpResponse:
    """Show the newest, or those in which all words of `q` stand."""
    query = request.GET.get("q", "").strip()[:LONGEST_QUERY]
    rows = Update.objects.published()
    return _updates(request, rows.holding(query.replace("\0", " ").split()[:MOST_WORDS]), {"query": query})


@require_safe
@cacheable(page=page_number)
def updates_of_month(request: HttpRequest, year: str, month: str) -> HttpResponse:
    try:
        first = date(int(year), int(month), 1)
        rows = Update.objects.published().of_month(first)
        found = rows.exists()
    except (ValueError, OverflowError) as error:  # the year 0, the first month of the year 1, or the last of 9999
        raise Http404 from error
    if not found:
        raise Http404
    return _updates(request, rows, {"month": first})


def _updates(request: HttpRequest, rows: QuerySet[Update], context: dict[str, Any]) -> HttpResponse:
    page = page_of(request, rows.prefetch_related("translations"), UPDATES_PER_PAGE)
    context |= {"updates": page, "months": Update.objects.published().months()}
    return render(request, "campaign/updates.html", context)


@require_safe
@cacheable()
def update(request: HttpRequest, slug: str) -> HttpResponse:
    queryset = Update.objects.prefetch_related(
        "translations",
        Prefetch("strike", Strike.objects.published().prefetch_related("translations")),
        Prefetch("activists", Activist.objects.published().with_charges(), to_attr="people"),
        Prefetch("said", Comment.objects.released()[:MOST_COMMENTS], to_attr="published_comments"),
    )
    return _page(request, "campaign/update.html", queryset, slug, "update")


def _kind(typed: str) -> str:
    return typed if typed in MessageOfSupport.Kind.values else ""


@require_safe
@cacheable(unkept=("q",), country=country, kind=_kind, page=page_number)
def messages_of_support(request: HttpRequest) -> HttpResponse:
    """List what was sent to the strikers, of a kind, from a country, from organisations of a name."""
    published = MessageOfSupport.objects.published()
    typed = request.GET
    chosen = {
        "kind": _kind(typed.get("kind", "")),
        "country": country(typed.get("country", "")),
        "q": typed.get("q", "").strip(),
    }
    found = published.filter(**{name: chosen[name] for name in ("kind", "country") if chosen[name]})
    if chosen["q"]:
        found = found.filter(pk__in=sent_by(published, chosen["q"]))
    context = {
        "support": page_of(request, found.prefetch_related("translations"), MESSAGES_PER_PAGE),
        "chosen": chosen,
        "kinds": MessageOfSupport.Kind.choices,
        "countries": _countries_of(published),
        "query": urlencode({name: value for name, value in chosen.items() if value}),
    }
    return render(request, "campaign/messages.html", context)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def comment(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form for a comment on an update, and take it."""
    rows = Update.objects.published().filter(comments=Update.Comments.MODERATED).prefetch_related("translations")
    row = get_object_or_404(rows, slug=slug)
    form = CommentForm(row, request.POST if request.method == "POST" else None)
    return take_form(request, form, "campaign/comment.html", update=row)


@require_safe
@cacheable()
def message(request: HttpRequest, slug: str) -> HttpResponse:
    queryset = MessageOfSupport.objects.prefetch_related(
        "translations", Prefetch("strike", Strike.objects.published().prefetch_related("translations"))
    )
    return _page(request, "campaign/message.html", queryset, slug, "message")


@require_safe
@cacheable(country=country, page=page_number)
def endorsements(request: HttpRequest) -> HttpResponse:
    """List the organisations that stand behind a strike, and how many members they say they have."""
    published = Endorsement.objects.published()
    chosen = country(request.GET.get("country", ""))
    found = published.filter(country=chosen) if chosen else published
    rows = found.prefetch_related("translations", "strike__translations", "logo__translations")
    context = {
        "endorsements": page_of(request, rows, ENDORSEMENTS_PER_PAGE),
        "sums": found.aggregate(counted=Count("members"), total=Sum("members")),
        "chosen": {"country": chosen},
        "countries": _countries_of(published),
        "query": urlencode({"country": chosen} if chosen else {}),
    }
    return render(request, "campaign/endorsements.html", context)


def _countries_of(rows: Any) -> list[tuple[str, str]]:
    """Return the countries that occur, by their names."""
    codes = rows.exclude(country="").order_by().values_list("country", flat=True).distinct()
    return sorted(((code, country_name(code)) for code in codes), key=lambda pair: pair[1].casefold())


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def send_message(request: HttpRequest) -> HttpResponse:
    form = MessageForm(request.POST if request.method == "POST" else None)
    return take_form(request, form, "campaign/send_message.html")


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def send_endorsement(request: HttpRequest) -> HttpResponse:
    form = EndorsementForm(request.POST if request.method == "POST" else None)
    return take_form(request, form, "campaign/send_endorsement.html")


@require_safe
@cacheable()
def sent(request: HttpRequest) -> HttpResponse:
    """Thank for what was sent in, whatever it was."""
    return render(request, "campaign/sent.html")


@require_safe
@cacheable()
def documents(request: HttpRequest) -> HttpResponse:
    rows = Document.objects.published().prefetch_related("translations", "strike__translations")
    return render(request, "campaign/documents.html", {"documents": rows})


@require_safe
@cacheable()
def document(request: HttpRequest, slug: str) -> HttpResponse:
    queryset = Document.objects.prefetch_related(
        "translations", Prefetch("strike", Strike.objects.published().prefetch_related("translations"))
    )
    return _page(request, "campaign/document.html", queryset, slug, "document")


@require_safe
@cacheable()
def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "campaign/privacy.html", {"kept": keeping.kept()})


@require_safe
@cacheable()
def mirrors(request: HttpRequest) -> HttpResponse:
    """Tell what copies of the site there are, and how to check one."""
    context = {
        "key": settings.MIRROR_KEY,
        "mirrors": settings.MIRRORS,
        "onion": settings.ONION_URL,
        "sha256": sha256(VERIFIER.read_bytes()).hexdigest(),
    }
    return render(request, "campaign/mirrors.html", context)


@require_safe
def verify_mirror(request: HttpRequest) -> HttpResponse:
    """Hand out the program that checks a copy."""
    headers = {"Content-Disposition": f'attachment; filename="{VERIFIER.name}"', "Cache-Control": "public, max-age=60"}
    return HttpResponse(VERIFIER.read_bytes(), content_type="text/x-python; charset=utf-8", headers=headers)


@require_safe
def mirror_key(request: HttpRequest) -> HttpResponse:
    """Hand out the public key in minisign's own format."""
    if settings.MIRROR_KEY is None:
        raise Http404
    headers = {"Content-Disposition": 'attachment; filename="mirror.pub"', "Cache-Control": "public, max-age=60"}
    return HttpResponse(settings.MIRROR_KEY.file, content_type="text/plain; charset=utf-8", headers=headers)


@require_safe
def site_card(request: HttpRequest) -> HttpResponse:
    return cards.answer(sharing.site_name())


@require_safe
def card(request: HttpRequest, model: type[Strike] | type[Activist] | type[Update], slug: str) -> HttpResponse:
    """The picture that services show beside a link to the page of this row."""
    return cards.answer(str(get_object_or_404(model.objects.published(), slug=slug)))


@require_safe
def media(request: HttpRequest, name: str) -> HttpResponseBase:
    """Hand out a picture's file, for ever the same. One that is not published only organisers get."""
    found = picturing.find(name)
    if found is None:
        raise Http404
    row, path = found
    is_public = row.is_published
    if not (is_public or may_look(request, Picture)):
        raise Http404
    response = FileResponse(path.open("rb"), content_type="image/jpeg")
    if is_public:
        patch_cache_control(response, public=True, max_age=365 * 24 * 3600, immutable=True)
    else:
        patch_cache_control(response, private=True, no_store=True)
    return for_all_sites(response)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def subscribe(request: HttpRequest) -> HttpResponse:
    """Show the form for updates by e-mail, and take it."""
    form = SubscribeForm(request.POST if request.method == "POST" else None)
    if not form.is_bound:
        return render(request, "campaign/subscribe.html", {"form": form})
    if not form.is_valid():
        return render(request, "campaign/subscribe.html", {"form": form}, status=400)
    email = form.cleaned_data["email"]
    verdict = subscribing.take(sender(request, email), email=email, **form.choices())
    if verdict.ask:
        return proof_page(request, "campaign/prove.html", reverse("campaign:subscribe"), form.fields)
    context: dict[str, Any] = {"email": email, "days": CONFIRM_WITHIN.days, "mails": MAILS_A_DAY}
    if verdict.hold is Why.TOO_FAST:
        form.add_error(None, subscribing.TOO_FAST)
        return render(request, "campaign/subscribe.html", {"form": form}, status=429)
    if verdict.hold:
        return render(request, "campaign/not_now.html", {"why": subscribing.TOLD[verdict.hold]}, status=429)
    return render(request, "campaign/subscribe_mailed.html", context)


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
def subscription(request: HttpRequest, token: str) -> HttpResponse:
    """Ask the owner of the address to confirm, then show what they get. Reading the page changes nothing."""
    mails = SubscriptionMail.objects.select_related("subscriber")
    mail = mails.filter(token_hash=tag("token", token), expires_at__gt=timezone.now()).first()
    try:
        if mail is None:
            raise Subscriber.DoesNotExist
        return behind_a_mailed_link(_subscription(request, mail.subscriber, token))
    except Subscriber.DoesNotExist:
        return behind_a_mailed_link(render(request, "campaign/subscription_unknown.html", status=404))


def _subscription(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    here = SeeOther(reverse("campaign:subscription", args=[token]))
    initial = {"language": subscriber.language, "strikes": subscriber.strikes.all()}
    form = ChoicesForm(initial=initial)
    action = request.POST.get("action", "") if request.method == "POST" else None
    match action:
        case None:
            pass
        case "confirm":
            try:
                subscribing.confirm(subscriber)
                return here
            except subscribing.TooLate:
                pass  # the page says so
        case "delete":
            if subscribing.discard(subscriber):
                return render(request, "campaign/subscription_deleted.html")
            return here
        case "change":
            form = ChoicesForm(request.POST)
            if form.is_valid():
                subscribing.change(subscriber, **form.choices())
                return here
        case _:
            raise BadRequest
    context = {
        "subscriber": subscriber,
        "token": token,
        "form": form,
        "days": CONFIRM_WITHIN.days,
        "lapsed": subscriber.confirmed_at is None and subscribing.has_lapsed(subscriber),
        "leave": reverse("campaign:unsubscribe", args=[subscribing.unsubscribe_token(subscriber.pk)]),
    }
    return render(request, "campaign/subscription.html", context, status=400 if action else 200)


@from_anywhere
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """
    Show the button with which a subscriber leaves; take it, or what a mail program sends for its reader (RFC 8058).

    Reading the page changes nothing: mail scanners open links.
    """
    subscriber = subscribing.of_token(token)
    if subscriber is None:
        return behind_a_mailed_link(render(request, "campaign/subscription_unknown.html", status=404))
    if request.method == "POST":
        one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        if not one_click and request.POST.get("action") != "unsubscribe":
            raise BadRequest
        subscribing.unsubscribe(subscriber)
        if not one_click:
            return behind_a_mailed_link(SeeOther(request.path))
        subscriber.refresh_from_db()
    return behind_a_mailed_link(render(request, "campaign/unsubscribe.html", {"subscriber": subscriber}))
