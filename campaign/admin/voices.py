"""What supporters say: read first, then published."""

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget

from campaign.admin.published import PublishedAdmin, StrikeFilter, SubmittedAdmin, SubmittedFilter
from campaign.models import Endorsement, MessageOfSupport
from privacy.fields import EncryptedTextField


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
    formfield_overrides = {EncryptedTextField: {"widget": AdminTextInputWidget}}


@admin.register(Endorsement)
class EndorsementAdmin(SubmittedAdmin, PublishedAdmin):
    list_display = ("__str__", "country", "members", "endorsed_on", "strike", "state", "language_column")
    list_filter = (SubmittedFilter, StrikeFilter, "country")
    search_fields = ("organisation", "branch", "translations__statement")
    fields = (
        "organisation",
        "branch",
        "slug",
        "country",
        "members",
        "url",
        "endorsed_on",
        "strike",
        "statement",
        "published_at",
    )
    slug_from = "organisation"
    has_preview = False
