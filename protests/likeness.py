"""What makes two names, or two texts, alike: tags under which the desk shows them together."""

import re
import unicodedata
from hashlib import sha256

from privacy.tags import tag

SHINGLE = 3
_WORD = re.compile(r"\w+")


def name_tag(name: str) -> str | None:
    """Return the tag of a name: the same whatever the case, accents, digits, signs, and order of its words."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    words = sorted("".join(filter(str.isalpha, word)) for word in plain.split())
    letters = " ".join(filter(None, words))
    return tag("likeness of a name", letters) if letters else None


def words_tag(text: str) -> str | None:
    """
    Return a tag of a text. The more of their sequences of three words two texts share, the likelier it is the same.

    That is MinHash (Broder, 1997) with one hash function: of all sequences the one whose hash is least stands for all.
    """
    words = [word for word in _WORD.findall(text.casefold()) if not word.isdecimal()]
    runs = {" ".join(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))}
    least = min(runs, key=lambda run: sha256(run.encode()).digest())
    return tag("likeness of words", least) if least else None
