"""Pictures: sent once, drawn anew, then shown wherever an organiser puts them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin
from parler.forms import TranslatableModelForm

from campaign import picturing
from campaign.admin.published import SafeAddresses, StateFilter
from campaign.models import Picture


class NewPictureForm(TranslatableModelForm):
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "JPEG, PNG or WebP, up to 8 MB. It is drawn anew and made smaller: the place and the device that a camera "
            "writes into it are not kept. Are all who can be recognised on it safe if the whole world sees it?"
        ),
        widget=forms.FileInput(attrs={"accept": picturing.ACCEPTED}),
    )

    def clean_file(self) -> Any:
        """Look at it before anything is written: an error is shown beside the field."""
        self.drawn = picturing.drawn(self.cleaned_data["file"])
        known = Picture.objects.filter(sha256=self.drawn.sha256).first()
        if known:
            raise ValidationError(_("This picture is here already: number %(number)d."), params={"number": known.pk})
        return self.cleaned_data["file"]


@admin.register(Picture)
class PictureAdmin(SafeAddresses, TranslatableAdmin):
    list_display = ("shown", "__str__", "credit", "published_at", "language_column")
    list_display_links = ("shown", "__str__")
    list_filter = (StateFilter,)
    search_fields = ("pk", "translations__alt", "credit")
    show_full_result_count = False
    readonly_fields = ("shown", "in_a_text", "uploaded_at", "uploaded_by")
    list_per_page = 20

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("file", "alt", "credit", "published_at")
        return ("shown", "in_a_text", "alt", "credit", "published_at", "uploaded_at", "uploaded_by")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewPictureForm
        return super().get_form(request, obj, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"published_at": timezone.now(), **super().get_changeform_initial_data(request)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("translations")

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:  # noqa: FBT001
        row = super().save_form(request, form, change)
        if not change:
            picturing.put(form.drawn, row)
            row.uploaded_by = request.user
        return row

    @admin.display(description=_("picture"))
    def shown(self, row: Picture) -> Any:
        smallest = row.versions[0]
        return format_html(
            '<img class="thumbnail" src="{}" width="{}" height="{}" alt="{}" loading="lazy">',
            smallest.url,
            smallest.width,
            smallest.height,
            row.safe_translation_getter("alt", any_language=True),
        )

    @admin.display(description=_("in a text"))
    def in_a_text(self, row: Picture) -> Any:
        return format_html(_("Write {} on a line of its own in the text of an update."), f"![](picture:{row.pk})")
