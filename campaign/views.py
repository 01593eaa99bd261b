"""The public pages that tell of the campaign. They read, and leave no trace of the reader."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from campaign import keeping
from campaign.cacheable import cacheable, page_number
from campaign.models import Activist, Document, MessageOfSupport, PublishedQuerySet, Strike, Update
from campaign.previewing import is_preview
from campaign.searching import named

NEWEST = 5
UPDATES_PER_PAGE = 20


def _page(request: HttpRequest, template: str, queryset: PublishedQuerySet, slug: str, name: str) -> HttpResponse:
    """Show one row as `name` if it is published, or to an organiser who asks for the preview."""
    preview = is_preview(request, queryset.model)
    row: Any = get_object_or_404(queryset if preview else queryset.published(), slug=slug)
    is_draft = preview and not queryset.published().filter(pk=row.pk).exists()
    response = render(request, template, {name: row, "is_draft": is_draft})
    if preview:
        patch_cache_control(response, private=True, no_store=True)
    return response


@require_safe
@cacheable()
def home(request: HttpRequest) -> HttpResponse:
    in_danger = Activist.objects.published().filter(remembered=False).with_charges()
    context = {
        "strikes": Strike.objects.published().prefetch_related("translations"),
        "activists": in_danger,
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
        *(
            # A draft's preview shows them too: their own date decides.
            Prefetch(related, rows.released()[:most], to_attr=name)
            for related, rows, name, most in (
                ("activists", Activist.objects.with_charges(), "people", None),
                ("messages", MessageOfSupport.objects.prefetch_related("translations"), "support", NEWEST),
                ("documents", Document.objects.prefetch_related("translations"), "papers", None),
                ("news", Update.objects.prefetch_related("translations"), "newest_updates", NEWEST),
            )
        ),
    )
    return _page(request, "campaign/strike.html", queryset, slug, "strike")


@require_safe
@cacheable(unkept=("q",))
def activists(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    found = named(Activist.objects.published().with_charges(), query)
    context = {
        "query": query,
        "activists": [activist for activist in found if not activist.remembered],
        "remembered": [activist for activist in found if activist.remembered],
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
@cacheable(page=page_number)
def updates(request: HttpRequest) -> HttpResponse:
    rows = Update.objects.published().prefetch_related("translations")
    page = Paginator(rows, UPDATES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "campaign/updates.html", {"updates": page})


@require_safe
@cacheable()
def update(request: HttpRequest, slug: str) -> HttpResponse:
    queryset = Update.objects.prefetch_related(
        "translations",
        Prefetch("strike", Strike.objects.published().prefetch_related("translations")),
        Prefetch("activists", Activist.objects.published().with_charges(), to_attr="people"),
    )
    return _page(request, "campaign/update.html", queryset, slug, "update")


@require_safe
@cacheable()
def messages_of_support(request: HttpRequest) -> HttpResponse:
    rows = MessageOfSupport.objects.published().prefetch_related("translations")
    return render(request, "campaign/messages.html", {"support": rows})


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
