"""
Targets from a table of a spreadsheet: read, compared with what is there, shown, and written as a whole or not at all.

A target is known by its short name, else by its address. An empty cell leaves what is there; a dash empties it.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import StringIO
from itertools import chain, count
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaign.countries import code_of, country_name
from campaign.spreadsheets import encoding_of, typed
from protests.exporting import LANGUAGES, column
from protests.models import Target, TargetCountry

MAXIMUM_BYTES = 256 * 1024
MAXIMUM_ROWS = 2000
DELIMITERS = ";,\t|"
EMPTIES = "-"
PLAIN = ("slug", "name", "email", "daily_cap", "spacing_seconds", "opens_at", "closes_at", "time_zone")
SALUTATIONS = {column("salutation", language): language for language in LANGUAGES}
COUNTRIES = tuple(TargetCountry.Kind.values)
REQUIRED = ("name", "email", "salutation")
# What else people write above a column.
ALIASES = {"mail": "email", "e_mail": "email", "country": "seat", "countries": "seat", "short_name": "slug"}


class UnreadableError(Exception):
    """Not a table of targets; the words say why."""


class ChangedError(Exception):
    """What would be written is not what was looked at."""


@dataclass
class Row:
    """A target as it will be."""

    line: int
    target: Target
    texts: dict[str, str] = field(default_factory=dict)
    countries: dict[str, str] | None = None
    # Heading, what is there, what will be.
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        return self.target._state.adding

    def complain(self, name: str, error: ValidationError | str) -> None:
        words = " ".join(error.messages) if isinstance(error, ValidationError) else error
        self.errors.append((name, words))

    def save(self) -> None:
        self.target.save()
        for language, text in self.texts.items():
            self.target.translations.update_or_create(language_code=language, defaults={"salutation": text})
        if self.countries is not None:
            self.target.countries.exclude(country__in=self.countries).delete()
            for country, kind in self.countries.items():
                self.target.countries.update_or_create(country=country, defaults={"kind": kind})


@dataclass
class Plan:
    """What a table would change."""

    rows: list[Row]
    ignored: list[str]

    @property
    def wrong(self) -> list[Row]:
        return [row for row in self.rows if row.errors]

    @property
    def new(self) -> list[Row]:
        return [row for row in self.rows if row.is_new and not row.errors]

    @property
    def changed(self) -> list[Row]:
        return [row for row in self.rows if row.changes and not row.is_new and not row.errors]

    @property
    def unchanged(self) -> list[Row]:
        return [row for row in self.rows if not row.changes and not row.errors]

    @property
    def fingerprint(self) -> str:
        told = [(row.line, row.target.pk, row.target.slug, row.changes, row.errors) for row in self.rows]
        return sha256(repr(told).encode()).hexdigest()


def decoded(content: bytes, encoding: str = "") -> tuple[str, str]:
    """Return the text of a file and its encoding, which is found out where none is given. Raises UnreadableError."""
    if len(content) > MAXIMUM_BYTES:
        raise UnreadableError(
            _("The file is larger than %(limit)d KB. Please import it in parts.") % {"limit": MAXIMUM_BYTES // 1024}
        )
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableError(_("This is a workbook. In your spreadsheet program, save the sheet as CSV."))
    encoding = encoding or encoding_of(content)
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(
            _("The file's characters cannot be read as %(name)s. Choose another encoding.") % {"name": encoding}
        ) from error
    return text.removeprefix("\ufeff"), encoding


def planned(text: str) -> Plan:
    """Read a table and compare it with the targets there are. Raises UnreadableError if it is none."""
    headings, ignored, cells = _table(text)
    if not {"slug", "email"} & set(headings.values()):
        raise UnreadableError(_("There is no column “email” and none called “slug”, by which a target is known."))
    known, rows = _Known(), []
    last = max(headings) + 1
    for line, values in cells:
        row = known.row(line, _values(headings, values))
        if any(cell.strip() for cell in values[max(last, len(headings) + len(ignored)) :]):
            row.complain("", _("The row has more cells than there are headings: a quote may be missing."))
        rows.append(row)
    if not rows:
        raise UnreadableError(_("There is no row below the headings."))
    return Plan(rows, ignored)


def write(text: str, fingerprint: str, by: User) -> tuple[int, int]:
    """
    Write what the table says, if that is still what `fingerprint` was shown for; return how many are new and changed.

    Raises ChangedError, and then nothing was written.
    """
    try:
        return _write(text, fingerprint, by)
    except IntegrityError as error:  # somebody else's target came between reading and writing
        raise ChangedError from error


@transaction.atomic
def _write(text: str, fingerprint: str, by: User) -> tuple[int, int]:
    plan = planned(text)
    if plan.fingerprint != fingerprint or plan.wrong:
        raise ChangedError
    new, changed = plan.new, plan.changed
    for rows, flag in ((new, ADDITION), (changed, CHANGE)):
        for row in rows:
            row.save()
            words = _("Imported from a table: %(columns)s.") % {
                "columns": ", ".join(name for name, *_rest in row.changes)
            }
            LogEntry.objects.log_actions(by.pk, [row.target], flag, words, single_object=True)
    return len(new), len(changed)


def _heading(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text.casefold()).strip("_")


def _names() -> dict[str, str]:
    """Return the columns by what may stand above them: their names, and what the desk calls them in each language."""
    found = {name: name for name in (*PLAIN, *SALUTATIONS, *COUNTRIES)} | ALIASES
    for language in LANGUAGES:
        with override(language):
            for name in PLAIN:
                found.setdefault(_heading(str(Target._meta.get_field(name).verbose_name)), name)
            for kind in TargetCountry.Kind:
                found.setdefault(_heading(str(kind.label)), kind.value)
            found.setdefault(_heading(str(_texts().get_field("salutation").verbose_name)), "salutation")
    return found


def _texts() -> Any:
    return Target._parler_meta.root_model._meta


def _table(text: str) -> tuple[dict[int, str], list[str], Iterator[tuple[int, list[str]]]]:
    """Return which column is what, which are not known, and the rows below, each with its line."""
    if "\0" in text:
        raise UnreadableError(_("The file holds NUL characters: save it as CSV once more, as UTF-8."))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    skipped = 1 if re.fullmatch("sep=.", lines[0]) else 0
    lines = lines[skipped:]
    names = _names()
    first = [next(csv.reader([lines[0]] if lines else [], delimiter=sign), []) for sign in DELIMITERS]
    best = max(range(len(DELIMITERS)), key=lambda n: sum(_heading(cell) in names for cell in first[n]))
    found: dict[int, str] = {}
    ignored = []
    for index, heading in enumerate(first[best]):
        name = names.get(_heading(heading))
        if name and name in found.values():
            raise UnreadableError(_("Two columns are called “%(name)s”.") % {"name": name})
        if name:
            found[index] = name
        elif heading.strip():
            ignored.append(heading.strip())
    if not found:
        raise UnreadableError(
            _("The first row has to name the columns: %(names)s.")
            % {"names": ", ".join((*PLAIN[:3], *SALUTATIONS, *COUNTRIES, *PLAIN[3:]))}
        )
    return found, ignored, _cells(lines, DELIMITERS[best], skipped)


def _cells(lines: list[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(StringIO("\n".join(lines), newline=""), delimiter=delimiter)
    began, read = 1, 0
    try:
        for cells in reader:
            line, began = began + skipped, reader.line_num + 1
            if line == 1 + skipped or not any(cell.strip() for cell in cells):
                continue
            read += 1
            if read > MAXIMUM_ROWS:
                raise UnreadableError(
                    _("More than %(limit)d rows. Please import them in parts.") % {"limit": MAXIMUM_ROWS}
                )
            yield line, cells
    except csv.Error as error:
        raise UnreadableError(
            _("Line %(line)d cannot be read: a quote may be missing.") % {"line": began + skipped}
        ) from error


class _Known:
    """The targets there are, and those that rows of this table were for."""

    def __init__(self) -> None:
        targets = list(Target.objects.prefetch_related("translations", "countries"))
        self.by_slug = {target.slug: target for target in targets}
        self.by_email = {target.email.lower(): target for target in targets}
        self.lines: dict[tuple[str, str], int] = {}

    def row(self, line: int, values: dict[str, str]) -> Row:
        """Return the target that a row tells of, as it will be, with every error."""
        given = {name: value for name, value in values.items() if value}
        slug, email = given.get("slug", ""), given.get("email", "").lower()
        stored = self.by_slug.get(slug) if slug else self.by_email.get(email)
        row = Row(line, stored or Target())
        for name, value in given.items():
            if name not in COUNTRIES and any(unicodedata.category(sign) == "Cc" for sign in value):
                row.complain(name, _("holds a line break or another control character."))
        if row.is_new:
            self._name(row, values, given)
        self._fill(row, given)
        self._translate(row, given)
        self._place(row, given)
        owner = self.by_email.get(email)
        if owner and owner.pk != row.target.pk:
            words = _("This is the address of “%(target)s” already; each target has its own.")
            row.complain("email", words % {"target": owner})
        self._only_once(row, email)
        return row

    def _name(self, row: Row, values: dict[str, str], given: dict[str, str]) -> None:
        """See that a new target has what it must have, and a short name, if need be made of its name."""
        for name in REQUIRED:
            if name not in given:
                row.complain(name, _("This is missing; a new target must have it."))
        if "slug" not in given:
            stem = slugify(given.get("name", ""))[:45]
            taken = {*self.by_slug, *(slug for what, slug in self.lines if what == "slug")}
            endings = chain([""], (f"-{number}" for number in count(2)))
            given["slug"] = next(stem + ending for ending in endings if stem + ending not in taken) if stem else ""
            if not stem and "name" in given:
                row.complain("slug", _("Please write a short name in Latin letters here: the name gives none."))

    def _fill(self, row: Row, given: dict[str, str]) -> None:
        """Set the columns, and let the model validate them."""
        wrong = {name for name, _words in row.errors}
        for name in PLAIN:
            if name not in given or name in wrong:
                continue
            column: Any = Target._meta.get_field(name)
            value: Any = given[name]
            before = getattr(row.target, name)
            if (value == EMPTIES and column.null) or (name == "daily_cap" and value == "0"):
                value = None
            try:
                setattr(row.target, name, column.to_python(value))
            except ValidationError as error:
                row.complain(name, error)
                continue
            after = getattr(row.target, name)
            if row.is_new or before != after:
                row.changes.append((name, "" if row.is_new else _shown(before), _shown(after)))
        wrong = {name for name, _words in row.errors}
        try:
            row.target.full_clean(exclude=wrong, validate_constraints=False)
            row.target.validate_constraints(exclude={*wrong, "email"})
        except ValidationError as error:
            for name, errors in error.error_dict.items():
                if name == "__all__" or (given.get(name) and name not in wrong):
                    row.complain("" if name == "__all__" else name, ValidationError(errors))

    def _translate(self, row: Row, given: dict[str, str]) -> None:
        stored = {} if row.is_new else {text.language_code: text.salutation for text in row.target.translations.all()}
        for name, language in SALUTATIONS.items():
            before = stored.get(language, "")
            if name in given and given[name] != before:
                try:
                    _texts().get_field("salutation").clean(given[name], None)
                except ValidationError as error:
                    row.complain(name, error)
                row.texts[language] = given[name]
                row.changes.append((name, before, given[name]))

    def _place(self, row: Row, given: dict[str, str]) -> None:
        """Read the countries, by code or by name; the list of a column that has some replaces the one there is."""
        before = {} if row.is_new else {there.country: there.kind for there in row.target.countries.all()}
        after = {country: kind for country, kind in before.items() if kind not in given}
        for kind in COUNTRIES:
            if kind not in given or given[kind] == EMPTIES:
                continue
            for written, code in _countries(given[kind]):
                if code is None:
                    row.complain(kind, _("“%(words)s” is no country that we know.") % {"words": written})
                elif after.get(code, kind) != kind:
                    row.complain(kind, _("%(country)s is in both lists.") % {"country": country_name(code)})
                else:
                    after[code] = kind
        if after != before:
            row.countries = after
            for kind in COUNTRIES:
                lists = [
                    " ".join(sorted(code for code, how in there.items() if how == kind)) for there in (before, after)
                ]
                if lists[0] != lists[1]:
                    row.changes.append((kind, lists[0], lists[1]))

    def _only_once(self, row: Row, email: str) -> None:
        for key in (("slug", row.target.slug), ("email", email)):
            if key[1] and self.lines.setdefault(key, row.line) != row.line:
                row.complain(key[0], _("Line %(line)d is about the same target.") % {"line": self.lines[key]})


def _shown(value: Any) -> str:
    if value is None:
        return EMPTIES
    return value.strftime("%H:%M") if hasattr(value, "strftime") else str(value)


def _countries(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each country of a cell as it is written, with its code: between commas and the like, or between blanks."""
    for part in filter(None, map(str.strip, re.split(r"[,;|/\n\t]", text))):
        code = code_of(part)
        if code:
            yield part, code
        else:
            codes = [(word, code_of(word)) for word in part.split()]
            yield from codes if all(found for _word, found in codes) else [(part, None)]


def _values(headings: dict[int, str], cells: list[str]) -> dict[str, str]:
    return {
        name: unicodedata.normalize("NFC", typed(cells[index]).strip())
        for index, name in headings.items()
        if index < len(cells)
    }
