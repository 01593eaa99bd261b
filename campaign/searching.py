"""Finding people and organisations by their name, however it is spelt."""

import unicodedata
from collections.abc import Iterable

from django.db.models import QuerySet

from campaign.models import Activist, MessageOfSupport


def folded(text: str) -> str:
    """Return `text` without case and accents, in any script: SQLite folds the case of ASCII alone."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def named(activists: Iterable[Activist], query: str) -> list[Activist]:
    """Return those of whom one spelling holds every word of `query`. Reads the prefetched aliases."""
    words = folded(query).split()
    return [
        activist
        for activist in activists
        if any(
            all(word in spelling for word in words)
            for spelling in map(folded, [activist.name, *(alias.name for alias in activist.aliases.all())])
        )
    ]


def sent_by(messages: QuerySet[MessageOfSupport], query: str) -> list[int]:
    """Return the keys of those from an organisation whose name, in any language, holds every word of `query`."""
    words = folded(query).split()
    names = messages.order_by().values_list("pk", "translations__organisation")
    return list({pk for pk, name in names if all(word in folded(name or "") for word in words)})
