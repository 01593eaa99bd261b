"""Pausing and resuming, and what a list says of it."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from outbox.confirming import confirmed
from protests.admin.shared import local_time
from protests.forecasting import Forecast, forecast
from protests.models import Letter, MailDomain, Target


def says_all_paused() -> str:
    """Say so if all letters are paused."""
    paused = MailDomain.objects.of_all().paused().first()
    return _("All letters are paused since %(date)s.") % {"date": local_time(paused.paused_at)} if paused else ""


def says_paused(row: Letter | Target) -> str:
    return _("Paused since %(date)s.") % {"date": local_time(row.paused_at)} if row.paused_at else ""


def says_of_queue(row: Letter | Target, ahead: Forecast) -> SafeString:
    """Say what holds all of it back and what the forecast is, a sentence a line."""
    sentences = filter(None, [says_all_paused(), says_paused(row), *ahead.sentences()])
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
            "all_paused": says_all_paused(),
            "forecast": forecast(),
            "may_pause": request.user.has_perm("protests.change_maildomain"),
        }
        return super().changelist_view(request, {**pace, **(extra_context or {})})  # type: ignore[misc]
