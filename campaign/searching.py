"""Finding people by their name, however it is spelt."""

import unicodedata
from collections.abc import Iterable

from campaign.models import Activist


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
