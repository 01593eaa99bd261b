"""The pages of what happens in the street, and the forms with which visitors tell of it."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from campaign.cacheable import cacheable, page_number, page_of
from campaign.cacheable import country as country_code
from campaign.cookieless import SeeOther, behind_a_mailed_link, cookieless
from campaign.models import Campaign
from campaign.previewing import is_preview
from campaign.sending import take_form
from protests import ical, mapping, witnessing
from protests.forms import PicketForm, PicketReportForm, ReportPictureForm
from protests.models import Addressee, Letter, Picket, PicketQuerySet, PicketReport

PER_PAGE = 20
# More than anybody announces at once; a calendar program reads all of them each time.
COMING_SHOWN = 100
IN_CALENDAR = 500
IN_CALENDAR_FOR = timedelta(days=366)


@require_safe
@cacheable(country=country_code, page=page_number)
def pickets(request: HttpRequest) -> HttpResponse:
    published = Picket.objects.published()
    country = country_code(request.GET.get("country", ""))
    chosen = _with_texts(published.filter(country=country) if country else published)
    past = page_of(request, chosen.past().order_by("-starts_at", "-pk"), PER_PAGE)
    context: dict[str, Any] = {"country": country, "past": past}
    if past.number == 1:
        context["coming"] = chosen.coming().order_by(F("starts_at").asc(nulls_last=True), "pk")[:COMING_SHOWN]
        if not country:
            context |= {"map": mapping.draw(published.dots()), "countries": published.by_country()}
    return render(request, "protests/pickets.html", context)


def _with_texts(pickets: PicketQuerySet) -> PicketQuerySet:
    return pickets.prefetch_related("translations")


def _picket(request: HttpRequest, slug: str) -> Picket:
    """Return a published picket; a draft only to an organiser who asks for its preview."""
    reach = Addressee.objects.filter(letter__in=Letter.objects.open()).order_by("letter")
    rows = Picket.objects.select_related("target").prefetch_related(
        "translations",
        "strike__translations",
        Prefetch(
            "reports",
            PicketReport.objects.released().prefetch_related("translations", "pictures__translations"),
            to_attr="told",
        ),
        Prefetch("target__addressees", reach.prefetch_related("letter__translations"), to_attr="open_letters"),
    )
    return get_object_or_404(rows if is_preview(request, Picket) else rows.published(), slug=slug)


@require_safe
@cacheable()
def picket(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one picket, and how to take letters there."""
    found = _picket(request, slug)
    preview = "preview" in request.GET
    is_draft = preview and not Picket.objects.published().filter(pk=found.pk).exists()
    response = render(request, "protests/picket.html", {"picket": found, "is_draft": is_draft})
    if preview:
        patch_cache_control(response, private=True, no_store=True)
    return response


def _calendar(name: str, pickets: list[Picket]) -> HttpResponse:
    return HttpResponse(ical.calendar(name, pickets), content_type="text/calendar; charset=utf-8")


@require_safe
@cacheable()
def calendar(request: HttpRequest) -> HttpResponse:
    """Return what comes, and what was within the last year, for calendar programs that read it again and again."""
    since = timezone.now() - IN_CALENDAR_FOR
    found = _with_texts(Picket.objects.published().filter(starts_at__gte=since)).order_by("-starts_at")
    campaign = Campaign.objects.prefetch_related("translations").first()
    name = f"{campaign}: {_('Pickets')}" if campaign else _("Pickets")
    return _calendar(name, list(found[:IN_CALENDAR]))


@require_safe
@cacheable()
def one_in_calendar(request: HttpRequest, slug: str) -> HttpResponse:
    found: Picket = get_object_or_404(_with_texts(Picket.objects.published()), slug=slug)
    if not found.has_an_hour:
        raise Http404
    return _calendar(str(found), [found])


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def add(request: HttpRequest) -> HttpResponse:
    form = PicketForm(request.POST if request.method == "POST" else None)
    return take_form(request, form, "protests/add_picket.html")


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
@cacheable()
def report(request: HttpRequest, slug: str) -> HttpResponse:
    """Let somebody who was there tell of it; pictures follow, once the words have arrived."""
    found: Picket = get_object_or_404(_with_texts(Picket.objects.published()), slug=slug)
    if not found.has_begun:
        return SeeOther(found.get_absolute_url())
    form = PicketReportForm(request.POST if request.method == "POST" else None, picket=found)
    return take_form(request, form, "protests/report_picket.html", then=_to_pictures, picket=found)


def _to_pictures(report: Any) -> str:
    return reverse("protests:report_pictures", args=[report.picket.slug, witnessing.token(report)])


@cookieless
@require_http_methods(["GET", "HEAD", "POST"])
def report_pictures(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    try:
        found = witnessing.of_token(token)
    except PicketReport.DoesNotExist:
        return behind_a_mailed_link(render(request, "protests/report_pictures_over.html", status=404))
    form = ReportPictureForm(request.POST, request.FILES) if request.method == "POST" else ReportPictureForm()
    if form.is_bound and form.is_valid():
        try:
            typed = form.cleaned_data
            witnessing.add_picture(found, typed["file"], alt=typed["alt"], credit=typed["credit"])
            return SeeOther(request.path)
        except ValidationError as error:
            form.add_error("file", error)
    context = {"report": found, "form": form, "added": found.pictures.count(), "most": witnessing.PICTURES}
    status = 400 if form.errors else 200
    return behind_a_mailed_link(render(request, "protests/report_pictures.html", context, status=status))
