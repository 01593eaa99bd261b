"""The files that belong to collections and disbursements."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import path
from django.utils.translation import gettext_lazy as _

from donations import filing
from donations.admin.steps import WithSteps, download
from donations.models import StoredFile
from outbox.confirming import confirmed
from privacy.fields import Unreadable


@admin.register(StoredFile)
class StoredFileAdmin(WithSteps):
    """Photos of sheets and evidence: for organisers alone, to download, and to erase where they show too much."""

    list_display = ("stored_at", "name", "media_type", "length", "stored_by", "is_erased")
    list_filter = ("media_type", "stored_at")
    list_select_related = ("stored_by",)
    fields = ("name", "media_type", "length", "sha256", "stored_by", "stored_at", "is_erased")
    actions = ("erase",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredFile]:
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.download_view)
        return [path("<int:pk>/download/", view, name="donations_storedfile_download"), *super().get_urls()]

    def steps(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str, str]]:
        if not obj.name:
            return []
        return [(_("Download"), self.url("download", obj), ""), (_("Erase"), "", "erase")]

    @admin.display(description=_("size"))
    def length(self, stored: StoredFile) -> str:
        return filesizeformat(stored.size)

    @admin.display(description=_("erased"))
    def is_erased(self, stored: StoredFile) -> Any:
        return "-" if stored.name else _("yes")

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        stored = get_object_or_404(StoredFile, pk=pk)
        if not stored.content:
            messages.error(request, _("This file was erased. Its hash stays."))
            return HttpResponseRedirect(self.url("change", stored))
        if isinstance(stored.content, Unreadable):
            messages.error(request, _("This file cannot be read: the key that it was stored under is missing."))
            return HttpResponseRedirect(self.url("change", stored))
        return download(filing.content(stored), stored.media_type, stored.name)

    @confirmed(
        description=_("Erase for good"),
        question=_(
            "For a file that shows what it should not. Its name and its content are gone, and cannot be had back; its "
            "hash stays, and nobody can check it any more."
        ),
        changes=lambda queryset: queryset.exclude(name=""),
        permissions=("act",),
    )
    def erase(self, request: HttpRequest, queryset: Any) -> int:
        return int(queryset.erase())
