"""Who gets the updates by e-mail: to look at, and to unsubscribe who asks for it."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaign import subscribing
from campaign.admin.exporting import Exporting
from campaign.exporting import SUBSCRIBERS
from campaign.models import (
    MyDataMail,
    Subscriber,
    SubscriberQuerySet,
    SubscriptionMail,
)
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed
from privacy.addresses import address_tag


class SubscriberStateFilter(admin.SimpleListFilter):
    parameter_name = "state"
    title = _("state")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("subscribed", _("subscribed")), ("unconfirmed", _("not confirmed")), ("left", _("unsubscribed"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "subscribed":
                return queryset.subscribed()
            case "unconfirmed":
                return queryset.filter(confirmed_at=None)
            case "left":
                return queryset.filter(unsubscribed_at__isnull=False)
        return queryset


class LanguageFilter(admin.SimpleListFilter):
    """The site's languages: those that occur would be found by reading the whole table."""

    parameter_name = "language"
    title = _("language")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(settings.LANGUAGES)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(language=self.value()) if self.value() else queryset


@admin.register(Subscriber)
class SubscriberAdmin(Exporting, admin.ModelAdmin):
    """To look at, and to unsubscribe who asks an organiser to."""

    list_display = ("__str__", "state", "language_shown", "created_at")
    list_filter = (SubscriberStateFilter, LanguageFilter)
    search_fields = ("pk",)
    search_help_text = _("A subscriber's number, or a whole e-mail address.")
    exports = (SUBSCRIBERS,)
    actions = ("unsubscribe",)
    fields = (
        "state",
        "email",
        "language_shown",
        "wants",
        "consent_version",
        "consented_at",
        "created_at",
        "confirmed_at",
        "unsubscribed_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(email_tag=address_tag(term)), False
        return queryset.filter(pk=int(term)) if term.isdecimal() and len(term) < 19 else queryset.none(), False

    @admin.display(description=_("state"))
    def state(self, subscriber: Subscriber) -> Any:
        if subscriber.unsubscribed_at:
            return _("unsubscribed")
        return _("subscribed") if subscriber.confirmed_at else _("not confirmed")

    @admin.display(description=_("language"), ordering="language")
    def language_shown(self, subscriber: Subscriber) -> Any:
        return dict(settings.LANGUAGES).get(subscriber.language, subscriber.language)

    @admin.display(description=_("gets the news of"))
    def wants(self, subscriber: Subscriber) -> Any:
        return ", ".join(map(str, subscriber.strikes.all())) or _("all strikes")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {"show_save": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    @confirmed(
        description=_("Unsubscribe"),
        question=_("They get no updates any more, and their addresses are deleted at once. They can subscribe anew."),
        changes=SubscriberQuerySet.subscribed,
    )
    def unsubscribe(self, request: HttpRequest, queryset: SubscriberQuerySet) -> int:
        rows = list(queryset)
        for subscriber in rows:
            subscribing.unsubscribe(subscriber)
        return len(rows)


@admin.register(SubscriptionMail)
class SubscriptionMailAdmin(OutgoingMailAdmin):
    """Mails that ask to confirm a subscription."""

    list_display = ("subscriber", *OutgoingMailAdmin.list_display)
    list_select_related = ("subscriber",)


@admin.register(MyDataMail)
class MyDataMailAdmin(OutgoingMailAdmin):
    """Mails that open to people what is held of them. Whose they are is not shown."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for name in super().get_readonly_fields(request, obj) if name not in {"email", "email_tag"}]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*self.get_readonly_fields(request, obj)]
