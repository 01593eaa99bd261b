"""What supporters say: read first, then published."""

from django.contrib import admin

from campaign.admin.published import PublishedAdmin, StrikeFilter, SubmittedAdmin, SubmittedFilter
from campaign.models import MessageOfSupport


@admin.register(MessageOfSupport)
class MessageOfSupportAdmin(SubmittedAdmin, PublishedAdmin):
    list_display = ("__str__", "kind", "country", "received_on", "strike", "state", "language_column")
    list_filter = (SubmittedFilter, "kind", StrikeFilter, "country")
    search_fields = ("translations__organisation", "translations__text")
    fields = (
        "kind",
        "organisation",
        "person",
        "slug",
        "country",
        "received_on",
        "strike",
        "text",
        "published_at",
    )
    slug_from = "organisation"
    has_preview = False
