"""Targets of letters, and the domains of their addresses."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from parler.admin import TranslatableAdmin

from campaign.admin import Exporting, SafeAddresses
from campaign.countries import country_name
from outbox.confirming import confirmed
from outbox.deciding import form_for
from protests import importing
from protests.admin.letters import MOST_NAMED
from protests.admin.pausing import PacedList, Paused, says_all_paused, says_of_queue
from protests.admin.shared import CountryChoice, LetterFilter, local_time
from protests.exporting import TARGETS
from protests.forecasting import forecast
from protests.forms import TargetsForm
from protests.models import Letter, MailDomain, Target, TargetCountry, TargetQuerySet


class TargetLetterFilter(LetterFilter):
    lookup = "letters"


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
        paused = says_all_paused()
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
                % {"date": local_time(target.suspended_at), "words": target.suspended_because}
            )
        breaker = getattr(target, "breaker", None)
        if breaker and breaker.trial_at:
            trouble.append(
                _(
                    "Its server refused %(count)d letters in a row, so it is left alone; the next one tries after "
                    "%(time)s. Its last words: %(words)s"
                )
                % {"count": breaker.refusals, "time": local_time(breaker.trial_at), "words": breaker.words}
            )
        return " ".join(trouble) or None

    @admin.display(description=_("pace"), empty_value="")
    def pace(self, target: Target) -> str:
        if target.paused_at:
            return _("paused since %(date)s") % {"date": local_time(target.paused_at)}
        cap = target.daily_cap
        return ngettext("%(cap)d a day", "%(cap)d a day", cap) % {"cap": cap} if cap else str(_("no limit"))

    @admin.display(description=_("letters that wait"))
    def queue(self, target: Target) -> Any:
        return says_of_queue(target, forecast(target=target))

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
