"""The organisers' desk for letters."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AdminSplitDateTime
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst, format_lazy
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin
from parler.forms import TranslatableModelForm

from campaign.admin import (
    CountryFilter,
    Exporting,
    PublishedAdmin,
    Publishes,
    SafeAddresses,
    StrikeFilter,
    SubmittedAdmin,
    SubmittedFilter,
)
from campaign.countries import country_choices, country_name
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed
from outbox.deciding import form_for
from outbox.models import State
from privacy.addresses import address_tag
from protests import charting, handover, holding, hours, importing, mapping, witnessing
from protests.addressing import recipients
from protests.emails import papers
from protests.exporting import PICKETS, SIGNATURE_COUNTS, SIGNATURES, TARGETS
from protests.forecasting import Forecast, forecast
from protests.forms import ChartForm, CountryForm, HandoverForm, TargetsForm
from protests.models import (
    Addressee,
    ConfirmationMail,
    Delivery,
    Digest,
    Hold,
    HoldQuerySet,
    Letter,
    LetterText,
    MailDomain,
    Picket,
    PicketReport,
    Signature,
    SuspensionNotice,
    Target,
    TargetCountry,
    TargetQuerySet,
)
from protests.pacing import why_waiting
from protests.wording import fill

# How many addressees a new letter can begin with.
MOST_NAMED = 100
# Of a letter with such an addressee, nobody's letter goes nowhere.
FOR_ALL = (Addressee.Rule.EVERYBODY, Addressee.Rule.FALLBACK)


class CountryChoice:
    """Offers the countries by name where a column holds a country's code."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "country":
            return forms.ChoiceField(
                label=db_field.verbose_name, choices=lambda: [("", "---------"), *country_choices()]
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]


class LookOnly:
    """Rows that the program alone writes."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _date_time(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


def _all_paused() -> str:
    """Say so if all letters are paused."""
    paused = MailDomain.objects.of_all().paused().first()
    return _("All letters are paused since %(date)s.") % {"date": _date_time(paused.paused_at)} if paused else ""


def _paused(row: Letter | Target) -> str:
    return _("Paused since %(date)s.") % {"date": _date_time(row.paused_at)} if row.paused_at else ""


def _queue(row: Letter | Target, ahead: Forecast) -> SafeString:
    """Say what holds all of it back and what the forecast is, a sentence a line."""
    sentences = filter(None, [_all_paused(), _paused(row), *ahead.sentences()])
    return format_html_join(SafeString("<br>"), "{}", ((sentence,) for sentence in sentences))


class Paused:
    """Actions that pause and resume; mixed into the admin of what can be paused."""

    @confirmed(
        description=_("Pause: hold back the letters"),
        question=_(
            "Letters that wait stay where they are until you resume, and new ones wait with them. None is lost."
        ),
        changes=lambda queryset: queryset.going(),
    )
    def pause(self, request: HttpRequest, queryset: Any) -> int:
        return queryset.pause()

    @confirmed(
        description=_("Resume: let the letters go"),
        question=_("Their letters will leave again, at the pace that is set."),
        changes=lambda queryset: queryset.paused(),
    )
    def resume(self, request: HttpRequest, queryset: Any) -> int:
        return queryset.resume()


class PacedList:
    """A list that says on top whether letters leave, and when the queue will be empty."""

    change_list_template: Any = "protests/admin/paced_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        pace = {
            "all_paused": _all_paused(),
            "forecast": forecast(),
            "may_pause": request.user.has_perm("protests.change_maildomain"),
        }
        return super().changelist_view(request, {**pace, **(extra_context or {})})  # type: ignore[misc]


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
        return _queue(letter, forecast(letter=letter))

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


class LetterFilter(admin.SimpleListFilter):
    """The letters by title, read at once; `lookup` is the way from a row to its letter."""

    parameter_name = "letter"
    title = _("letter")
    lookup = "letter"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(letter.pk), str(letter)) for letter in Letter.objects.prefetch_related("translations")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(**{self.lookup: chosen}) if chosen in dict(self.lookup_choices) else queryset


class TargetLetterFilter(LetterFilter):
    lookup = "letters"


class DeliveryLetterFilter(LetterFilter):
    lookup = "signature__letter"


class TargetCountryInline(CountryChoice, admin.TabularInline):
    model = TargetCountry
    extra = 1


class SuspendedFilter(admin.SimpleListFilter):
    parameter_name = "suspended"
    title = _("address")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("suspended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.suspended() if self.value() == "yes" else queryset


@admin.register(Target)
class TargetAdmin(Exporting, Paused, PacedList, SafeAddresses, TranslatableAdmin):
    list_display = ("name", "trouble", "pace", "email", "country_names")
    list_filter = (SuspendedFilter, TargetLetterFilter)
    search_fields = ("name", "email", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("trouble", "queue")
    after_saving = ("trouble", "queue")
    fieldsets = (
        (None, {"fields": ("trouble", "queue", "name", "slug", "salutation", "email")}),
        (
            _("Pace"),
            {
                "fields": ("daily_cap", "spacing_seconds", ("opens_at", "closes_at"), "time_zone"),
                "description": format_lazy(
                    "{} {}",
                    _(
                        "How fast its letters leave; the others wait, and none is lost. What several targets at one "
                        "mail domain share is set under “Mail domains”."
                    ),
                    _("To hold them all back, select the target in its list and choose “Pause”."),
                ),
            },
        ),
    )
    inlines = (TargetCountryInline,)
    exports = (TARGETS,)
    actions = ("write_to", "address_is_right", "try_now", "pause", "resume")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Target]:
        return super().get_queryset(request).select_related("breaker").prefetch_related("countries")

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("pause/", wrap(self.pausing_view), name="protests_pause_all"),
            path("import/", wrap(self.import_view), name="protests_target_import"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        url = reverse("admin:protests_target_import") if self._may_import(request) else ""
        return super().changelist_view(request, {"import_url": url, **(extra_context or {})})

    def _may_import(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a table would change; write all of it once the organiser has seen that."""
        if not self._may_import(request):
            raise PermissionDenied
        form = TargetsForm(request.POST or None, request.FILES or None)
        context: dict[str, Any] = {"form": form}
        if form.is_valid():
            text = form.cleaned_data["text"]
            seen = "" if form.cleaned_data["file"] else request.POST.get("seen", "")
            try:
                if seen and request.POST.get("act") == "import":
                    new, changed = importing.write(text, seen, cast("User", request.user))
                    done = _("Targets imported: %(new)d new, %(changed)d changed.") % {"new": new, "changed": changed}
                    messages.success(request, done)
                    return HttpResponseRedirect(reverse("admin:protests_target_changelist"))
                context["plan"] = importing.planned(text)
            except importing.UnreadableError as error:
                form.add_error(None, str(error))
            except importing.ChangedError:
                context |= {"plan": importing.planned(text), "changed_meanwhile": True}
            context["read_as"] = getattr(form, "read_as", "")
            # The file's words go on as text: what is imported is what was shown.
            context["form"] = form if form.errors else TargetsForm(initial={"text": text})
        context |= {**self.admin_site.each_context(request), "title": _("Import targets"), "opts": self.opts}
        context |= {"columns": list(TARGETS.columns), "required": importing.REQUIRED}
        request.current_app = self.admin_site.name
        status = 400 if form.errors else 200
        return TemplateResponse(request, "protests/admin/targets_import.html", context, status=status)

    def pausing_view(self, request: HttpRequest) -> HttpResponse:
        """Pause or resume all letters, once the organiser has read what that means."""
        if not request.user.has_perm("protests.change_maildomain"):
            raise PermissionDenied
        paused = _all_paused()
        if request.method == "POST":
            # What the page that was read says, not the opposite of what is: a second press changes nothing.
            if request.POST.get("act") == "resume":
                MailDomain.objects.of_all().resume()
                done = _(
                    "The pause of all letters is over. They leave at their pace, unless something else holds them."
                )
            else:
                MailDomain.pause_all()
                done = _("All letters are paused.")
            user_id: Any = request.user.pk
            LogEntry.objects.log_actions(user_id, list(MailDomain.objects.of_all()), CHANGE, str(done))
            messages.success(request, done)
            return HttpResponseRedirect(reverse("admin:protests_delivery_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Resume all letters") if paused else _("Pause all letters"),
            "opts": self.opts,
            "all_paused": paused,
        }
        return TemplateResponse(request, "protests/admin/pausing.html", context)

    def has_write_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("protests.add_letter")

    @admin.action(description=_("Write a letter to these"), permissions=("write",))
    def write_to(self, request: HttpRequest, queryset: QuerySet[Target]) -> HttpResponse | None:
        """Open the form of a new letter with these as its addressees. Nothing is saved."""
        pks = list(queryset.values_list("pk", flat=True)[: MOST_NAMED + 1])
        if len(pks) > MOST_NAMED:
            self.message_user(request, _("These are too many for one letter."), messages.ERROR)
            return None
        return HttpResponseRedirect(form_for(Letter, targets=",".join(map(str, pks))))

    @admin.display(description=_("countries"))
    def country_names(self, target: Target) -> str:
        return ", ".join(country_name(there.country) for there in target.countries.all())

    @admin.display(description=_("trouble"), ordering="suspended_at", empty_value="")
    def trouble(self, target: Target) -> str | None:
        trouble = []
        if target.suspended_at:
            trouble.append(
                _("Suspended since %(date)s, its letters wait. A letter came back: %(words)s")
                % {"date": _date_time(target.suspended_at), "words": target.suspended_because}
            )
        breaker = getattr(target, "breaker", None)
        if breaker and breaker.trial_at:
            trouble.append(
                _(
                    "Its server refused %(count)d letters in a row, so it is left alone; the next one tries after "
                    "%(time)s. Its last words: %(words)s"
                )
                % {"count": breaker.refusals, "time": _date_time(breaker.trial_at), "words": breaker.words}
            )
        return " ".join(trouble) or None

    @admin.display(description=_("pace"), empty_value="")
    def pace(self, target: Target) -> str:
        if target.paused_at:
            return _("paused since %(date)s") % {"date": _date_time(target.paused_at)}
        cap = target.daily_cap
        return ngettext("%(cap)d a day", "%(cap)d a day", cap) % {"cap": cap} if cap else str(_("no limit"))

    @admin.display(description=_("letters that wait"))
    def queue(self, target: Target) -> Any:
        return _queue(target, forecast(target=target))

    @confirmed(
        description=_("The address is right: send its letters again"),
        question=_(
            "The letters that wait for these targets will go to the addresses shown, which refused a letter before. "
            "To correct an address, open the target instead."
        ),
        changes=TargetQuerySet.suspended,
    )
    def address_is_right(self, request: HttpRequest, queryset: TargetQuerySet) -> int:
        return queryset.trust_again()

    @confirmed(
        description=_("Its server works again: do not wait for the next trial"),
        question=_(
            "The servers of these targets refused several letters in a row. Their letters leave again at their pace, "
            "without waiting for a trial."
        ),
        changes=TargetQuerySet.refusing,
    )
    def try_now(self, request: HttpRequest, queryset: TargetQuerySet) -> int:
        return queryset.try_now()


@admin.register(MailDomain)
class MailDomainAdmin(Paused, admin.ModelAdmin):
    list_display = ("__str__", "daily_cap", "spacing_seconds", "paused_at")
    search_fields = ("domain",)
    readonly_fields = ("paused_at",)
    actions = ("pause", "resume")


class SignatureStateFilter(admin.SimpleListFilter):
    parameter_name = "state"
    title = _("state")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("unconfirmed", _("not confirmed")), ("counted", _("counted")), ("withdrawn", _("withdrawn"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "unconfirmed":
                return queryset.filter(confirmed_at=None)
            case "counted":
                return queryset.counted()
            case "withdrawn":
                return queryset.filter(withdrawn_at__isnull=False)
        return queryset


@admin.register(Signature)
class SignatureAdmin(Exporting, LookOnly, admin.ModelAdmin):
    list_display = (
        "__str__",
        "name",
        "letter",
        "country_shown",
        "display",
        "created_at",
        "confirmed_at",
        "withdrawn_at",
    )
    # Not by the time: newest come first, and with a million of them counting those of a year takes seconds on SQLite.
    list_filter = (SignatureStateFilter, LetterFilter, CountryFilter)
    search_fields = ("pk",)
    search_help_text = _("A signature's number, or a whole e-mail address. Names are encrypted and cannot be searched.")
    show_full_result_count = False
    exports = (SIGNATURE_COUNTS, SIGNATURES)
    fields = (
        "letter",
        "signed_text",
        "letters_on_their_way",
        "name",
        "email",
        "organisation",
        "country_shown",
        "own_words",
        "display",
        "locale",
        "updates",
        "consent_version",
        "consented_at",
        "created_at",
        "confirmed_at",
        "withdrawn_at",
    )
    readonly_fields = ("country_shown", "signed_text", "letters_on_their_way")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Signature]:
        return super().get_queryset(request).prefetch_related("letter__translations")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Signature], search_term: str
    ) -> tuple[QuerySet[Signature], bool]:
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(email_tag=address_tag(term)), False
        return queryset.filter(pk=int(term)) if term.isdecimal() and len(term) < 19 else queryset.none(), False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Let a signature's mails go with it, which nobody may delete one by one."""
        deleted, counts, _needed, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected

    @admin.display(description=_("country"), ordering="country")
    def country_shown(self, signature: Signature) -> str:
        return country_name(signature.country)

    @admin.display(description=_("text of the letter"))
    def signed_text(self, signature: Signature) -> SafeString:
        url = reverse("admin:protests_lettertext_change", args=[signature.text_id])
        subject = fill(signature.text.subject, {"country": country_name(signature.country)})
        return format_html('<a href="{}">{}</a>', url, subject)

    @admin.display(description=_("letters on their way"))
    def letters_on_their_way(self, signature: Signature) -> SafeString:
        by_state = signature.deliveries.order_by().values_list("state").annotate(Count("pk"))
        counts = ", ".join(f"{State(state).label}: {count}" for state, count in by_state) or "0"
        url = reverse("admin:protests_delivery_changelist")
        return format_html('<a href="{}?signature__id__exact={}">{}</a>', url, signature.pk, counts)


class ExplainedList(ChangeList):
    """The letters of a page of the list, with what holds them back."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        reasons = why_waiting(self.result_list)
        for mail in self.result_list:
            mail.held_up_by = reasons.get(mail.pk)


class DecisionFilter(admin.SimpleListFilter):
    """What waits, unless something else is chosen."""

    parameter_name = "decision"
    title = _("decision")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*Hold.Decision.choices, ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        choices = list(super().choices(changelist))
        return [{**choices[0], "display": _("waiting")}, *choices[1:]]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case None:
                return queryset.waiting()
            case "all":
                return queryset
        return queryset.filter(decision=self.value())


class GroupFilter(admin.SimpleListFilter):
    """The group that was chosen on top of the list."""

    parameter_name = "group"
    title = _("group")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        chosen = request.GET.get(self.parameter_name)
        return [(chosen, _("the chosen group"))] if chosen else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value()
        return holding.of_group(queryset, chosen) if chosen else queryset


@admin.register(Hold)
class HoldAdmin(LookOnly, admin.ModelAdmin):
    """The review desk: signatures of which nothing is sent until an organiser has looked at them."""

    change_list_template = "protests/admin/desk.html"
    list_display = ("created_at", "why", "name", "mail_domain", "country_shown", "beginning", "letter", "decided")
    list_filter = (DecisionFilter, GroupFilter, "why", LetterFilter, CountryFilter, "created_at")
    list_select_related = ("letter", "decided_by")
    actions = ("release", "refuse", "undo", "block_networks")
    fields = (
        "why",
        "created_at",
        "letter",
        "name",
        "email",
        "organisation",
        "country_shown",
        "own_words",
        "display",
        "locale",
        "updates",
        "consent_version",
        "consented_at",
        "network",
        "decision",
        "decided_at",
        "decided_by",
        "signature",
    )
    readonly_fields = ("country_shown", "network")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hold]:
        return super().get_queryset(request).prefetch_related("letter__translations")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Deciding is what may be changed here; the rows themselves nobody edits."""
        return request.user.has_perm("protests.change_hold")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        # Not while an action runs or asks: it shows another page.
        desk = {"groups": [] if request.method == "POST" else holding.groups()}
        return super().changelist_view(request, {**desk, **(extra_context or {})})

    def describe(self, held: Hold) -> str:
        return f"{held.name}, {country_name(held.country)}: {held.letter} ({held.get_why_display()})"

    @admin.display(description=_("country"), ordering="country")
    def country_shown(self, held: Hold) -> str:
        return country_name(held.country)

    @admin.display(description=_("mail domain"))
    def mail_domain(self, held: Hold) -> str:
        return held.email.rpartition("@")[2]

    @admin.display(description=_("own words"))
    def beginning(self, held: Hold) -> str:
        return Truncator(held.own_words).words(10)

    @admin.display(description=_("network"), empty_value="")
    def network(self, held: Hold) -> str | None:
        return held.network_tag and f"{held.network_tag[:8]}…"

    @admin.display(description=_("decision"), ordering="decided_at", empty_value="")
    def decided(self, held: Hold) -> str | None:
        if not held.decided_at:
            return None
        return f"{held.get_decision_display()}, {held.decided_by or '?'}, {_date_time(held.decided_at)}"

    @confirmed(
        description=_("Release: let them sign"),
        question=_(
            "Each of them gets the mail to confirm, in ten minutes; until then you can take this back. A mailbox that "
            "has had its mails for today gets none: such signatures go on waiting, and so do those under a letter that "
            "is closed."
        ),
        changes=HoldQuerySet.releasable,
        permissions=("decide",),
    )
    def release(self, request: HttpRequest, queryset: HoldQuerySet) -> int:
        return holding.release(queryset, request.user)  # type: ignore[arg-type]

    @confirmed(
        description=_("Refuse: send nothing"),
        question=_(
            "Nothing of these is sent, and nobody is written to. What was typed is deleted after seven days; until "
            "then you can take this back."
        ),
        changes=HoldQuerySet.waiting,
        permissions=("decide",),
    )
    def refuse(self, request: HttpRequest, queryset: HoldQuerySet) -> int:
        return holding.refuse(queryset, request.user)  # type: ignore[arg-type]

    @confirmed(
        description=_("Take a decision back"),
        question=_(
            "These wait again. A released one whose mail has left, or whose signer has signed anew, stays released."
        ),
        changes=HoldQuerySet.undoable,
        permissions=("decide",),
    )
    def undo(self, request: HttpRequest, queryset: HoldQuerySet) -> int:
        return holding.undo(queryset)

    @confirmed(
        description=_("Hold all from these networks for a week"),
        question=_(
            "Whoever signs from the network of one of these is held, and told so. A network can be a whole town's. You "
            "find it under “Blocked networks and mail domains”, where it can be ended. These signatures stay as they "
            "are; each network counts once."
        ),
        changes=lambda queryset: queryset.exclude(network_tag=None),
        permissions=("block",),
    )
    def block_networks(self, request: HttpRequest, queryset: HoldQuerySet) -> int:
        return holding.block_networks(queryset, str(_("From the review desk: %s")) % request.user.get_username())

    def has_block_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("limits.add_block")


@admin.register(Delivery)
class DeliveryAdmin(PacedList, OutgoingMailAdmin):
    list_display = ("created_at", "state", "held_up", "target", "answer", "signature")
    list_filter = (*OutgoingMailAdmin.list_filter, DeliveryLetterFilter, "target")
    list_select_related = ("target__breaker", "signature__letter")
    search_fields = (*OutgoingMailAdmin.search_fields, "target__name")
    search_help_text = _("A target's name, or a whole Message-ID.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).prefetch_related("signature__letter__translations")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ExplainedList

    def about(self, mail: Delivery) -> str:
        return f"{mail.target}: {mail.signature.letter}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["target", "signature", "state", "held_up", *super().get_readonly_fields(request, obj)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(dict.fromkeys(self.get_readonly_fields(request, obj)))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "signature__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=_("held up"), empty_value="")
    def held_up(self, mail: Any) -> str | None:
        reason = mail.held_up_by if hasattr(mail, "held_up_by") else why_waiting([mail]).get(mail.pk)
        return reason.short if reason else None


@admin.register(ConfirmationMail)
class ConfirmationMailAdmin(OutgoingMailAdmin):
    list_display = ("created_at", "state", "signature", "bad_news", "answer")
    list_filter = (*OutgoingMailAdmin.list_filter, "bad_news")
    list_select_related = ("signature__letter",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConfirmationMail]:
        return super().get_queryset(request).prefetch_related("signature__letter__translations")

    def about(self, mail: ConfirmationMail) -> str:
        return f"{mail.signature}, {mail.signature.letter}"


@admin.register(SuspensionNotice)
class SuspensionNoticeAdmin(OutgoingMailAdmin):
    list_display = ("created_at", "state", "target", "email", "because", "answer")
    list_select_related = ("target",)

    def about(self, mail: SuspensionNotice) -> str:
        return str(mail.target)


@admin.register(Digest)
class DigestAdmin(OutgoingMailAdmin):
    list_display = ("day", "state", "since", "until", "answer")

    def about(self, mail: Digest) -> str:
        return date_format(mail.day, "DATE_FORMAT")


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


class WallClockField(forms.SplitDateTimeField):
    """A day and an hour by the clock of a place that another field tells: without a time zone."""

    def compress(self, data_list: Any) -> Any:
        return datetime.combine(*data_list) if data_list and all(data_list) else None


class PicketDeskForm(TranslatableModelForm):
    starts_at = WallClockField(widget=AdminSplitDateTime, required=False)
    ends_at = WallClockField(widget=AdminSplitDateTime, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A translator's form has neither.
        for name in self.fields.keys() & {"starts_at", "ends_at"}:
            column: Any = Picket._meta.get_field(name)
            self.fields[name].label, self.fields[name].help_text = capfirst(column.verbose_name), column.help_text
            if moment := getattr(self.instance, name):
                self.initial[name] = moment.astimezone(self.instance.zone).replace(tzinfo=None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "country" not in self.fields:
            return cleaned
        country, moment = cleaned.get("country", ""), cleaned.get("starts_at")
        name = cleaned.get("time_zone") or mapping.only_zone(country, moment)
        for column in ("starts_at", "ends_at"):
            if cleaned.get(column):
                # Without a zone, the model says that one is to be chosen.
                cleaned[column] = cleaned[column].replace(tzinfo=hours.zone(name))
        return cleaned


@admin.register(Picket)
class PicketAdmin(Exporting, CountryChoice, SubmittedAdmin, PublishedAdmin):
    form = PicketDeskForm
    list_display = ("place", "kind", "country_shown", "strike", "begins", "state", "published_at")
    list_filter = (SubmittedFilter, "kind", StrikeFilter, CountryFilter)
    exports = (PICKETS,)
    search_fields = ("translations__place", "translations__text", "slug")
    slug_from = "place"
    date_hierarchy = "starts_at"
    readonly_fields = ("on_paper",)
    fields = (
        *("strike", "kind", "country", "place", "slug", "address", "starts_at", "ends_at", "time_zone", "date_text"),
        *("text", "target", "on_paper", "latitude", "longitude", "published_at"),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        allowed = request.user.has_perm("protests.hand_over")
        return [field for field in super().get_fields(request, obj) if allowed or field != "on_paper"]

    @admin.display(description=_("country"), ordering="country")
    def country_shown(self, picket: Picket) -> str:
        return country_name(picket.country)

    @admin.display(description=_("begins, local time"), ordering="starts_at")
    def begins(self, picket: Picket) -> str:
        if picket.in_words or picket.starts_at is None:
            return picket.in_words
        return date_format(picket.starts_at.astimezone(picket.zone), "DATETIME_FORMAT")

    @admin.display(description=_("letters to hand over"))
    def on_paper(self, picket: Picket) -> Any:
        if picket.target_id is None:
            return _("Choose outside which office it is, and save: here will be its letters to print and hand over.")
        url = reverse("admin:protests_letter_handover")
        return format_html('<a href="{}?target={}">{}</a>', url, picket.target_id, _("Download letters to hand over"))


@admin.register(PicketReport)
class PicketReportAdmin(SubmittedAdmin, PublishedAdmin):
    list_display = ("__str__", "people", "state", "published_at")
    list_filter = (SubmittedFilter,)
    search_fields = ("translations__text", "organisation", "picket__slug")
    autocomplete_fields = ("picket", "pictures")
    readonly_fields = ("shown", "for_pictures")
    fields = ("picket", "organisation", "people", "text", "shown", "for_pictures", "pictures", "published_at")
    has_preview = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = PicketReport.objects.select_related("picket")
        return rows.prefetch_related("translations", "picket__translations", "pictures__translations")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        super().save_related(request, form, formsets, change)
        report = form.instance
        before = form.initial.get("published_at")
        if before and before != report.published_at:
            witnessing.hide_pictures([report.pk])
        if report.published_at:
            witnessing.show_pictures([report.pk], report.published_at)

    @confirmed(
        description=_("Publish now"),
        question=_(
            "Everybody will be able to read these and see their pictures from now on. Is each who can be recognised "
            "safe if the whole world sees it?"
        ),
        changes=lambda queryset: queryset.filter(refused_at=None).exclude(published_at__lte=timezone.now()),
    )
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return witnessing.publish(queryset, by=request.user)  # type: ignore[arg-type]

    @confirmed(
        description=_("Back to draft"),
        question=_(
            "Readers will no longer find these, nor the pictures that came with them. Whoever has read or copied them "
            "keeps what they have."
        ),
        changes=lambda queryset: queryset.exclude(published_at=None),
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return witnessing.withdraw(queryset)

    @admin.display(description=_("page for more pictures"))
    def for_pictures(self, report: PicketReport) -> Any:
        if report.pk is None or not PicketReport.objects.waiting().filter(pk=report.pk).exists():
            return ""
        url = reverse("protests:report_pictures", args=[report.picket.slug, witnessing.token(report)])
        words = _(
            "Add pictures as whoever sent this report could: the address works for a day, and for all who have it."
        )
        return format_html('<a href="{}">{}</a>', url, words)

    @admin.display(description=_("how they look"))
    def shown(self, report: PicketReport) -> Any:
        if report.pk is None:
            return ""
        return format_html_join(
            " ",
            '<a href="{}"><img class="thumbnail" src="{}" width="{}" height="{}" alt="{}" loading="lazy"></a>',
            (
                (
                    reverse("admin:campaign_picture_change", args=[picture.pk]),
                    picture.versions[0].url,
                    picture.versions[0].width,
                    picture.versions[0].height,
                    picture.safe_translation_getter("alt", any_language=True),
                )
                for picture in report.pictures.all()
            ),
        )
