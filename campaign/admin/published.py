"""What all lists of rows that readers see have in common."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from parler.admin import TranslatableAdmin
from parler.models import TranslatableModel

from campaign import submitting
from campaign.models import Strike, SubmittedQuerySet
from outbox.confirming import confirmed


def _drafts(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(published_at=None)


def _planned(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(published_at__gt=timezone.now())


def _unpublished(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(Q(published_at=None) | Q(published_at__gt=timezone.now()))


def _not_drafts(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.exclude(published_at=None)


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("draft", _("draft")), ("planned", _("planned")), ("published", _("published"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "draft":
                return _drafts(queryset)
            case "planned":
                return _planned(queryset)
            case "published":
                return queryset.released()
        return queryset


class SubmittedFilter(StateFilter):
    """Apart from each other: what waits, what the limits doubt, what was refused. The last two are not in the list."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("waiting", _("sent in, waits for you")),
            ("doubtful", _("sent in, doubtful")),
            ("refused", _("refused")),
            *super().lookups(request, model_admin),
        ]

    def choices(self, changelist: Any) -> Any:
        everything, *rest = super().choices(changelist)
        return [{**everything, "display": _("all but the doubtful and the refused")}, *rest]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "waiting":
                return queryset.waiting().trusted()
            case "doubtful":
                return queryset.waiting().doubtful()
            case "refused":
                return queryset.refused()
            case "draft":
                return queryset.filter(published_at=None).filter(Q(submitted_at=None) | Q(approved_at__isnull=False))
            case None:
                return queryset.filter(Q(hold="") | Q(approved_at__isnull=False), refused_at=None)
        return super().queryset(request, queryset)


class StrikeFilter(admin.SimpleListFilter):
    """Like Django's own, with one query for all names."""

    title = _("strike")
    parameter_name = "strike"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(strike.pk), str(strike)) for strike in Strike.objects.prefetch_related("translations")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(strike=value) if value in dict(self.lookup_choices) else queryset


class NamedFilter(admin.RelatedFieldListFilter):
    """Like Django's own for a related row, with one query for all names where those are in several languages."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        related = field.remote_field.model._default_manager.prefetch_related("translations")
        ordering = self.field_admin_ordering(field, request, model_admin)
        return [(row.pk, str(row)) for row in related.order_by(*ordering)]


admin.FieldListFilter.register(
    lambda field: field.is_relation and issubclass(field.related_model, TranslatableModel),  # type: ignore[arg-type]
    NamedFilter,
    take_priority=True,
)


class WordsForTranslators:
    """Leaves to those who may change rows, but add none, what is written in several languages, and nothing else."""

    def _words_only(self, request: HttpRequest, opts: Any) -> bool:
        # Parler asks with a request that has no user; were that to fail, the page would be without all its scripts.
        may_add = not hasattr(request, "user") or request.user.has_perm(f"{opts.app_label}.add_{opts.model_name}")
        return issubclass(opts.model, TranslatableModel) and not may_add

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {} if self._words_only(request, self.opts) else super().get_actions(request)  # type: ignore[attr-defined,misc]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        if not self._words_only(request, self.opts):  # type: ignore[attr-defined]
            return fields
        return [*dict.fromkeys([*fields, *_without_words(self.opts)])]  # type: ignore[attr-defined]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        if self._words_only(request, self.opts):  # type: ignore[attr-defined]
            return {}
        return super().get_prepopulated_fields(request, obj)  # type: ignore[misc]

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        inlines = super().get_inline_instances(request, obj)  # type: ignore[misc]
        for inline in inlines:
            if self._words_only(request, inline.opts):
                inline.readonly_fields = [*inline.readonly_fields, *_without_words(inline.opts)]
        return inlines


def _without_words(opts: Any) -> list[str]:
    """Return the names of a model's columns that are the same in all languages."""
    fields = [*opts.fields, *opts.many_to_many]
    return [field.name for field in fields if field.editable and not field.primary_key]


class SafeAddresses(WordsForTranslators):
    """Reads only what makes sense from an address: one typed by hand, or cut in a mail, is no error of the program."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            return super().get_changelist_instance(request)  # type: ignore[misc]
        except (ValueError, OverflowError) as error:  # a year 9999, a number that no column holds
            raise IncorrectLookupParameters(error) from error

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.GET.get("language") not in dict(settings.LANGUAGES):  # parler would take any
            query = request.GET.copy()
            query.pop("language", None)
            request.GET = query  # type: ignore[assignment]
        return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[misc]
        for field in self.opts.concrete_fields:  # type: ignore[attr-defined]
            if isinstance(initial.get(field.name), str):
                try:
                    initial[field.name] = field.to_python(initial[field.name])
                except ValidationError:
                    del initial[field.name]
        return initial


class PublishedAdmin(SafeAddresses, TranslatableAdmin):
    """What readers see from a date on: its state, a look at it before, and publishing many rows at once."""

    date_hierarchy = "published_at"
    # Drafts first, on every database.
    ordering: tuple[Any, ...] = (F("published_at").desc(nulls_first=True), "-pk")
    actions: tuple[str, ...] = ("publish", "withdraw")
    slug_from = ""
    # A page of its own that can be previewed; a message of support stands in a list.
    has_preview = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        related = ["translations"]
        if self.model is not Strike:
            related.append("strike__translations")
        return super().get_queryset(request).prefetch_related(*related)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        # Not an attribute: Django would look for the translated field in the untranslated table.
        return {} if self._words_only(request, self.opts) else {"slug": (self.slug_from,)}

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> str:
        now = timezone.now()
        if not obj.published_at:
            return str(_("draft"))
        if obj.published_at > now:
            return str(_("planned"))
        strike = getattr(obj, "strike", None)
        if strike and not (strike.published_at and strike.published_at <= now):
            return str(_("waits for its strike to be published"))
        return str(_("published"))

    def view_on_site(self, obj: Any) -> str | None:
        with translation.override(obj.get_current_language()):
            url = obj.get_absolute_url()
        is_public = type(obj).objects.published().filter(pk=obj.pk).exists()
        return url if is_public or not self.has_preview else f"{url}?preview=1"

    @confirmed(
        description=_("Publish now"),
        question=_("Everybody will be able to read these from now on. A planned date is replaced by the present time."),
        changes=_unpublished,
    )
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return queryset.update(published_at=timezone.now())

    @confirmed(
        description=_("Back to draft"),
        question=_("Readers will no longer find these. Whoever has read or copied them keeps what they have."),
        changes=_not_drafts,
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return queryset.update(published_at=None)


def _publishable(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return _unpublished(queryset).filter(refused_at=None)


class SubmittedAdmin:
    """
    What visitors send in, beside what organisers write; before PublishedAdmin, or any other ModelAdmin.

    Its list_filter begins with SubmittedFilter.
    """

    ordering: tuple[Any, ...] = (F("published_at").desc(nulls_first=True), "-pk")
    actions: Any = ("publish", "refuse", "take_up_again", "withdraw")
    show_full_result_count = False
    # What the page of a row says of the visitor's part in it.
    of_sending = ("submitted_at", "hold", "contact", "consent_version", "approved_at", "approved_by", "refused_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = (*super().get_readonly_fields(request, obj), *self.of_sending)  # type: ignore[misc]
        return (*fields, "refused_by", "published_at") if obj and obj.refused_at else (*fields, "refused_by")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if obj is None or obj.submitted_at is None:
            return fieldsets
        explained = _(
            "Read it before you publish it: does it name somebody whom it could endanger, is it what it says it is? "
            "Publish it here by a date under “Published”, or many at once from the list. What nobody decides on is "
            "deleted after 90 days, and what is refused after 30."
        )
        sent = {"fields": (*self.of_sending, "refused_by"), "description": explained}
        return [*fieldsets, (_("Sent in by a visitor"), sent)]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        if obj.published_at and obj.approved_at is None:
            obj.approved_at, obj.approved_by = timezone.now(), request.user
        super().save_model(request, obj, form, change)  # type: ignore[misc]

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> str:
        if obj.refused_at:
            return str(_("refused"))
        if obj.is_waiting:
            return str(_("doubtful: %(why)s") % {"why": obj.get_hold_display()} if obj.hold else _("waits for you"))
        return PublishedAdmin.state(self, obj)  # type: ignore[arg-type]

    @confirmed(
        description=_("Publish now"),
        question=_("Everybody will be able to read these from now on. A planned date is replaced by the present time."),
        changes=_publishable,
    )
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return submitting.publish(queryset, by=request.user)  # type: ignore[arg-type]

    @confirmed(
        description=_("Refuse"),
        question=_(
            "These are not published, and are deleted after 30 days. Until then “Take up again” brings them back. "
            "Nobody is told."
        ),
        changes=SubmittedQuerySet.waiting,
    )
    def refuse(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return submitting.refuse(queryset, by=request.user)  # type: ignore[arg-type]

    @confirmed(
        description=_("Take up again"),
        question=_("These were refused, and wait for a decision again."),
        changes=SubmittedQuerySet.refused,
    )
    def take_up_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return submitting.take_up_again(queryset)

    @confirmed(
        description=_("Back to draft"),
        question=_("Readers will no longer find these. Whoever has read or copied them keeps what they have."),
        changes=_not_drafts,
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Any]) -> int:
        return queryset.update(published_at=None)
