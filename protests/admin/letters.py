"""Letters, their texts, and whom they go to."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin
from parler.forms import TranslatableModelForm

from campaign.admin import PublishedAdmin, Publishes, SafeAddresses
from campaign.countries import country_name
from outbox.confirming import confirmed
from protests import charting, handover
from protests.addressing import recipients
from protests.admin.pausing import Paused, says_of_queue
from protests.admin.shared import LetterFilter, LookOnly
from protests.emails import papers
from protests.forecasting import forecast
from protests.forms import ChartForm, CountryForm, HandoverForm
from protests.models import Addressee, Letter, LetterText, Signature, Target

# How many addressees a new letter can begin with.
MOST_NAMED = 100
# Of a letter with such an addressee, nobody's letter goes nowhere.
FOR_ALL = (Addressee.Rule.EVERYBODY, Addressee.Rule.FALLBACK)


class AddresseeFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        """A letter that is or will be published reaches somebody from every country: nobody's letter goes nowhere."""
        super().clean()
        if any(self.errors) or self.instance.published_at is None:
            return
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if not any(row["rule"] in FOR_ALL for row in kept):
            raise ValidationError(
                _(
                    "Before the letter is published, it needs an addressee for everybody's letter, or one for letters "
                    "from countries that have no other addressee."
                )
            )


def targets_named(request: HttpRequest) -> list[Target]:
    """Return the targets whose numbers stand in the address, as far as there are such."""
    numbers = [
        number for number in request.GET.get("targets", "").split(",") if number.isascii() and number.isdecimal()
    ]
    known = Target.objects.filter(pk__in=[number for number in numbers if len(number) < 19][:MOST_NAMED])
    return list(known.prefetch_related("countries"))


class AddresseeInline(admin.TabularInline):
    model = Addressee
    formset = AddresseeFormSet
    autocomplete_fields = ("target",)

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return max(1, len(targets_named(request))) if request.method == "GET" else 1


class LetterStateFilter(admin.SimpleListFilter):
    parameter_name = "state"
    title = _("state")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("open")), ("closed", _("closed")), ("draft", _("draft"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "open":
                return queryset.open()
            case "closed":
                return queryset.published().filter(closed_at__lte=timezone.now())
            case "draft":
                return queryset.exclude(pk__in=Letter.objects.published().values("pk"))
        return queryset


class LetterForm(TranslatableModelForm):
    def clean_closed_at(self) -> Any:
        """Refuse to open again what signers could then sign twice."""
        closed_at = self.cleaned_data["closed_at"]
        if closed_at is None or closed_at > timezone.now():
            saved = Letter.objects.filter(pk=self.instance.pk)
            if saved.filter(closed_at__lte=timezone.now()).exists() and not saved.reopenable().exists():
                raise ValidationError(
                    _(
                        "This letter was closed so long ago that its signers' fingerprints are deleted: everybody "
                        "could sign it a second time. Make a new letter instead."
                    )
                )
        return closed_at


@admin.register(Letter)
class LetterAdmin(Publishes, Paused, SafeAddresses, TranslatableAdmin):
    form = LetterForm
    list_display = ("title", "strike", "state", "signed", "published_at", "closed_at")
    list_filter = (LetterStateFilter, "strike")
    list_select_related = ("strike",)
    search_fields = ("translations__title", "translations__subject", "slug")
    inlines = (AddresseeInline,)
    actions = ("publish", "withdraw", "close", "reopen", "pause", "resume")
    readonly_fields = ("queue", "preview", "on_paper")
    after_saving = ("queue", "preview", "on_paper")
    text_fields = (
        *("queue", "title", "slug", "strike", "activist", "introduction", "subject", "body", "reply_to"),
        *("published_at", "preview", "on_paper"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset: Any = super().get_queryset(request)
        return queryset.with_signed().prefetch_related("translations", "strike__translations")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, tuple[str, ...]]:
        return {} if self._words_only(request, self.opts) else {"slug": ("title",)}

    def view_on_site(self, obj: Letter) -> str:
        return obj.get_absolute_url() + ("" if obj.is_published else "?preview=1")

    @admin.display(description=_("state"))
    def state(self, letter: Letter) -> Any:
        if not letter.is_published:
            return _("draft")
        state = (letter.get_result_display() or _("closed")) if letter.is_closed else _("open")
        return format_html("{}, {}", state, _("paused")) if letter.paused_at else state

    @admin.display(description=_("letters that wait"))
    def queue(self, letter: Letter) -> Any:
        return says_of_queue(letter, forecast(letter=letter))

    @admin.display(description=_("signatures"), ordering="tally__signed")
    def signed(self, letter: Letter) -> int | None:
        return letter.tally.signed if hasattr(letter, "tally") else None

    @admin.display(description=_("preview"))
    def preview(self, letter: Letter) -> Any:
        url = reverse("admin:protests_letter_preview", args=[letter.pk])
        return format_html('<a href="{}">{}</a>', url, _("The letters as they would go from a country (as saved)"))

    @admin.display(description=_("on paper"))
    def on_paper(self, letter: Letter) -> Any:
        url = reverse("admin:protests_letter_handover")
        return format_html('<a href="{}?letter={}">{}</a>', url, letter.pk, _("Download letters to hand over"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        allowed = request.user.has_perm("protests.hand_over")
        shown = [name for name in self.text_fields if allowed or name != "on_paper"]
        if obj is None:
            shown = [name for name in shown if name not in self.after_saving]
        end = {"fields": ("closed_at", "result", "outcome"), "classes": ("collapse",)}
        return [(None, {"fields": shown}), (_("When it is over"), end)]

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        """Begin with the targets that the address names, so that a letter to many needs no row typed."""
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if request.method == "GET" and isinstance(inline, AddresseeInline) and (named := targets_named(request)):
            rules = Addressee.Rule
            kwargs["initial"] = [
                {"target": target, "rule": rules.OWN_COUNTRY if target.countries.all() else rules.EVERYBODY}
                for target in named
            ]
        return kwargs

    def get_urls(self) -> list[Any]:
        preview = self.admin_site.admin_view(self.preview_view)
        on_paper = self.admin_site.admin_view(self.handover_view)
        return [
            path("<int:pk>/preview/", preview, name="protests_letter_preview"),
            path("handover/", on_paper, name="protests_letter_handover"),
            path("charts/", self.admin_site.admin_view(self.charts_view), name="protests_letter_charts"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the letters of an invented supporter in a chosen country."""
        letter = get_object_or_404(self.get_queryset(request).exclude(translations=None), pk=pk)
        if not self.has_view_permission(request, letter):
            raise PermissionDenied
        form = CountryForm(request.GET or None)
        sheets = None
        if form.is_valid():
            country = form.cleaned_data["country"]
            signature = Signature(
                letter=letter,
                text=LetterText.now(letter, get_language() or ""),
                country=country,
                name=str(_("Given Name Family Name")),
                own_words=str(_("(here stand the supporter's own words)")),
            )
            sheets = papers(signature, recipients(letter, country))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Preview: %(letter)s") % {"letter": letter},
            "opts": self.opts,
            "original": letter,
            "form": form,
            "sheets": sheets,
        }
        return TemplateResponse(request, "protests/admin/letter_preview.html", context)

    def handover_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask which letters are to be handed over on paper; give them out as a PDF, or as several in a ZIP."""
        if not request.user.has_perm("protests.hand_over"):
            raise PermissionDenied
        form = HandoverForm(request.POST or None, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            return self._hand_over(request, **form.cleaned_data)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Letters to hand over on paper"),
            "opts": self.opts,
            "form": form,
            "part": handover.PART,
        }
        status = 400 if form.errors else 200
        return TemplateResponse(request, "protests/admin/handover.html", context, status=status)

    def charts_view(self, request: HttpRequest) -> HttpResponse:
        """Show how many signed, confirmed and are held, hour by hour and day by day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ChartForm(request.GET)
        chosen = form.cleaned_data if form.is_valid() else {}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Signatures by hour and by day"),
            "opts": self.opts,
            "form": form,
            "charts": charting.charts(chosen.get("letter"), chosen.get("country") or ""),
            "countries": [
                (country_name(country), count) for country, count in charting.countries(chosen.get("letter"))
            ],
        }
        return TemplateResponse(request, "protests/admin/charts.html", context)

    def _hand_over(self, request: HttpRequest, letter: Letter, target: Target, which: str) -> HttpResponseBase:
        bundle = handover.bundle(letter, target, which)
        user_id: Any = request.user.pk
        logged = ngettext(
            "Downloaded %(count)d letter to %(target)s to hand over on paper (%(which)s).",
            "Downloaded %(count)d letters to %(target)s to hand over on paper (%(which)s).",
            bundle.count,
        ) % {"count": bundle.count, "target": target, "which": handover.Which(which).label}
        LogEntry.objects.log_actions(user_id, [letter], CHANGE, logged, single_object=True)
        response = StreamingHttpResponse(bundle.chunks, content_type=bundle.content_type)
        response["Content-Disposition"] = f'attachment; filename="{bundle.filename}"'
        return response

    @confirmed(
        description=_("Publish now"),
        question=_(
            "Everybody will be able to read and sign these from now on. A letter that has no addressee for everybody's "
            "letter or for the countries that have no other stays a draft."
        ),
        changes=lambda queryset: queryset.exclude(published_at__lte=timezone.now()).filter(
            pk__in=Addressee.objects.filter(rule__in=FOR_ALL).values("letter")
        ),
    )
    def publish(self, request: HttpRequest, queryset: QuerySet[Letter]) -> int:
        return Letter.objects.filter(pk__in=list(queryset.values_list("pk", flat=True))).update(
            published_at=timezone.now()
        )

    withdraw = PublishedAdmin.withdraw

    @confirmed(
        description=_("Close letters"),
        question=_("Nobody will be able to sign these letters any more. Letters already on their way still go."),
        changes=lambda queryset: queryset.exclude(closed_at__lte=timezone.now()),
    )
    def close(self, request: HttpRequest, queryset: QuerySet[Letter]) -> int:
        now = timezone.now()
        return Letter.objects.filter(pk__in=queryset.values("pk")).exclude(closed_at__lte=now).update(closed_at=now)

    @confirmed(
        description=_("Open letters again"),
        question=_(
            "These letters can be signed again, if they are published. One that was closed so long ago that its "
            "signers' fingerprints are deleted stays closed, because everybody could sign it a second time."
        ),
        changes=lambda queryset: queryset.reopenable(),
    )
    def reopen(self, request: HttpRequest, queryset: QuerySet[Letter]) -> int:
        again = Letter.objects.filter(pk__in=queryset.values("pk")).reopenable().values_list("pk", flat=True)
        return Letter.objects.filter(pk__in=list(again)).update(closed_at=None, result="")


@admin.register(LetterText)
class LetterTextAdmin(LookOnly, admin.ModelAdmin):
    list_display = ("subject", "letter", "language")
    list_filter = (LetterFilter, "language")
    search_fields = ("subject", "body")
    exclude = ("digest",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LetterText]:
        return super().get_queryset(request).prefetch_related("letter__translations")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
