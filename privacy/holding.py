"""
The registry of what is held of a person, and of how it is erased. Each app registers its own in AppConfig.ready.

A person is the keyed tag of a mail address (privacy.addresses.address_tag): nothing else tells who is who here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms


class Busy(Exception):
    """Others are at work on the same rows: to be tried again in a minute. Nothing was changed."""


# Whom to erase: each person's tag, and until when rows count as theirs. None: all there are.
People = Mapping[str, datetime | None]


@dataclass(frozen=True)
class Fact:
    """One thing that is held: `value` is what a program reads, `shown` what people read. Any text may be lazy."""

    key: str
    label: Any
    value: str | int | bool | None
    shown: Any
    purpose: Any = ""
    until: Any = ""


@dataclass(frozen=True)
class Act:
    """What a person can do with it: the button, what it will do in a sentence, and the doing."""

    label: Any
    question: Any
    do: Callable[[], object]


@dataclass(frozen=True)
class Correction:
    """A form for what is wrong. `save` takes its cleaned data; it may raise ValidationError."""

    form: type[forms.Form]
    initial: Mapping[str, Any]
    save: Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True)
class Held:
    """One row that is held of a person, as they are told of it."""

    kind: str
    pk: int
    title: Any
    facts: list[Fact]
    # What belongs to it, such as each letter of a signature: a name, and what is to be said of it.
    rows: list[list[Fact]] = field(default_factory=list)
    note: Any = ""
    correction: Correction | None = None
    acts: Mapping[str, Act] = field(default_factory=dict)
    # What erasing everything does to it.
    erased: Any = ""

    @property
    def key(self) -> str:
        return f"{self.kind}-{self.pk}"


@dataclass(frozen=True)
class Holder:
    """
    What an app holds of people.

    `models`: whose personal columns `erase` empties. `find` yields what is held of a person. `erase` empties or
    deletes it for some people, in the caller's transaction, and returns how many rows, by name.
    """

    models: frozenset[str]
    find: Callable[[str], Iterator[Held]]
    erase: Callable[[People], Counter[str]]


_HOLDERS: dict[str, Holder] = {}

# Personal columns that belong to no person with an address, or that outlast an erasure, and why.
NOT_A_PERSONS = {
    **dict.fromkeys(("organisers.Invitation", "organisers.Session"), "is an organiser's, whom owners let go"),
    "organisers.Attempt": "counts failures to log in; in two days it is gone",
    "limits.Post": "counts what came from a network or a mail domain; in a day it is gone",
    "limits.Block": "is about a network",
    "donations.StoredFile": "is a receipt of the books, known by no address",
    "donations.StatementUpload": "is a bank's file about many, known by no address, and gone in two days",
}
KEPT = {
    "recipient_tag": "for two days it keeps a mailbox from being flooded: erasing must not lift that limit",
}


def register(app: str, holder: Holder) -> None:
    _HOLDERS[app] = holder


def models() -> frozenset[str]:
    """Return the models, as `app.Model`, of which erasing takes care."""
    return frozenset().union(*(holder.models for holder in _HOLDERS.values()))


def find(person: str) -> Iterator[Held]:
    """Yield all that is held of a person."""
    for holder in _HOLDERS.values():
        yield from holder.find(person)


def erase(people: People) -> Counter[str]:
    """
    Erase what is held of these people, in the caller's transaction; return how many rows, by name.

    The app on top goes first: so it takes its locks in the order in which its verbs do, which call those below.
    """
    done: Counter[str] = Counter()
    for holder in reversed(_HOLDERS.values()):
        done += holder.erase(people)
    return done
