"""What an organiser may take out of the desk as a table, and in which columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_AT_ONCE = 1000


@dataclass(frozen=True)
class Export:
    """A table of the rows of a list: one line for each, or what `rows` makes of them."""

    name: str  # of the file
    label: Any
    # For each heading, which is the same in every language, what stands below it.
    columns: dict[str, Callable[[Any], Any]]
    # In words, what the table tells of persons: then a reason is asked for.
    personal: Any = ""
    chosen: Callable[[Any], QuerySet[Any]] = lambda rows: rows
    rows: Callable[[QuerySet[Any]], Iterator[Any]] | None = None

    def lines(self, queryset: QuerySet[Any]) -> Iterator[list[Any]]:
        read = self.rows or by_key
        cells = list(self.columns.values())
        return ([cell(row) for cell in cells] for row in read(self.chosen(queryset)))

    def count(self, queryset: QuerySet[Any]) -> int:
        """Return how many rows of the list the table is made of."""
        return self.chosen(queryset).count()


def by_key(queryset: QuerySet[Any]) -> Iterator[Any]:
    """
    Yield the rows, newest first, read some at a time by their key.

    So nothing is held open or in memory while a slow line takes it all, and what is added meanwhile is not among them.
    """
    rows = queryset.order_by("-pk")
    piece = list(rows[:_AT_ONCE])
    while piece:
        yield from piece
        piece = list(rows.filter(pk__lt=piece[-1].pk)[:_AT_ONCE])


SUBSCRIBERS = Export(
    "subscribers",
    _("Those who get the updates"),
    {
        "number": lambda subscriber: subscriber.pk,
        "email": lambda subscriber: subscriber.email,
        "language": lambda subscriber: subscriber.language,
        "strikes": lambda subscriber: " ".join(strike.slug for strike in subscriber.strikes.all()),
        "subscribed_on": lambda subscriber: timezone.localdate(subscriber.confirmed_at),
        "consent_version": lambda subscriber: subscriber.consent_version,
    },
    personal=_("The e-mail addresses of people who support the campaign."),
    chosen=lambda rows: rows.subscribed().prefetch_related("strikes"),
)
