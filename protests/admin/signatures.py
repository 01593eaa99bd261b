"""Signatures, and those that wait for a look."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from campaign.admin import CountryFilter, Exporting
from campaign.countries import country_name
from outbox.confirming import confirmed
from outbox.models import State
from privacy.addresses import address_tag
from protests import holding
from protests.admin.shared import LetterFilter, LookOnly, local_time
from protests.exporting import SIGNATURE_COUNTS, SIGNATURES
from protests.models import Hold, HoldQuerySet, Signature
from protests.wording import fill


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
        return f"{held.get_decision_display()}, {held.decided_by or '?'}, {local_time(held.decided_at)}"

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
