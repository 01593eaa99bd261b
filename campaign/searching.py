"""Finding people and organisations by their name, however it is spelt and in whichever script."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from campaign.models import Activist, MessageOfSupport

# Cyrillic as it sounds in Latin letters, with those of Kazakh and Ukrainian; accents are gone before that. Then a few
# Latin letters that are no accented ones to Unicode.
LATIN: dict[int, Any] = {
    **str.maketrans("абвгдезиклмнопрстуфхыэєәғқңөұүһіґıłøđ", "abvgdeziklmnoprstufhieeagknouuhigilod"),
    **str.maketrans({"ж": "zh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ю": "iu", "я": "ia", "æ": "ae"}),
    **str.maketrans("", "", "ъь"),
}
# What different transliterations write for the same sound, in this order: Yesenbeck is Esenbek, Dmitriy is Dmitri.
SOUNDS = (
    (re.compile("[yj]"), "i"),
    (re.compile("ck|c(?!h)|q"), "k"),
    (re.compile("kh|x"), "h"),
    (re.compile("w"), "v"),
    (re.compile("ie"), "e"),
    (re.compile(r"(\w)\1+"), r"\1"),
)


def folded(text: str) -> str:
    """Return `text` without case and accents, in any script: SQLite folds the case of ASCII alone."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def sound(text: str) -> str:
    """Return roughly how `text` sounds, so that a name is found that was transliterated in another way."""
    text = folded(text).translate(LATIN)
    for spelling, letters in SOUNDS:
        text = spelling.sub(letters, text)
    return text


def named(activists: Iterable[Activist], query: str) -> list[Activist]:
    """Return those of whom one spelling holds every word of `query`. Reads the prefetched aliases."""
    words = sound(query).split()
    if query.strip() and not words:  # a sign that has no sound finds nobody, rather than all
        return []
    return [
        activist
        for activist in activists
        if any(
            all(word in spelling for word in words)
            for spelling in map(sound, [activist.name, *(alias.name for alias in activist.aliases.all())])
        )
    ]


def sent_by(messages: QuerySet[MessageOfSupport], query: str) -> list[int]:
    """Return the keys of those from an organisation whose name, in any language, holds every word of `query`."""
    words = folded(query).split()
    if query.strip() and not words:  # as above
        return []
    names = messages.order_by().values_list("pk", "translations__organisation")
    return list({pk for pk, name in names if all(word in folded(name or "") for word in words)})
