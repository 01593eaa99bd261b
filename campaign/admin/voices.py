"""What supporters say: read first, then published."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaign.admin.published import (
    CountryFilter,
    PublishedAdmin,
    SafeAddresses,
    StrikeFilter,
    SubmittedAdmin,
    SubmittedFilter,
)
from campaign.models import Comment, Endorsement, MessageOfSupport
from privacy.fields import EncryptedTextField


@admin.register(MessageOfSupport)
class MessageOfSupportAdmin(SubmittedAdmin, PublishedAdmin):
    list_display = ("__str__", "kind", "country", "received_on", "strike", "state", "language_column")
    list_filter = (SubmittedFilter, "kind", StrikeFilter, CountryFilter)
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
    list_filter = (SubmittedFilter, StrikeFilter, CountryFilter)
    search_fields = ("organisation", "branch", "translations__statement")
    fields = (
        "organisation",
        "branch",
        "slug",
        "country",
        "members",
        "url",
        "endorsed_on",
        "logo",
        "strike",
        "statement",
        "published_at",
    )
    raw_id_fields = ("logo",)
    slug_from = "organisation"
    has_preview = False


@admin.register(Comment)
class CommentAdmin(SubmittedAdmin, SafeAddresses, admin.ModelAdmin):  # type: ignore[misc] # its own order and actions
    """What readers say: to publish or to refuse, and not to rewrite."""

    list_display = ("__str__", "on", "person", "submitted_at", "state")
    list_filter = (SubmittedFilter,)
    search_fields = ("text", "update__slug", "update__translations__title")
    fields = ("on", "person", "text", "published_at")
    readonly_fields = ("on", "person", "text")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("update").prefetch_related("update__translations")

    def view_on_site(self, comment: Comment) -> str | None:
        is_public = comment.update.takes_comments and Comment.objects.released().filter(pk=comment.pk).exists()
        return comment.get_absolute_url() if is_public else None

    @admin.display(description=_("update"))
    def on(self, comment: Comment) -> str:
        return str(comment.update)
