"""Making a row out of a table of a file: which keys it has, what each of them holds, what the model says to it."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from operator import methodcaller
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from campaign.countries import CODES
from config.folder import Table, described, holds_control_character
from donations.money import validate_currency

ENGLISH: str = settings.PARLER_DEFAULT_LANGUAGE_CODE
OTHER_LANGUAGES = tuple(code for code, _name in settings.LANGUAGES if code != ENGLISH)
# What people write, and ISO 3166 does not.
NOT_ISO = {"UK": "GB", "EL": "GR"}
LANGUAGE = "language"  # the key for the one of a thing that has no English text
YEARS = range(1900, 2200)


@dataclass(frozen=True)
class Kind:
    """A kind of thing: which keys its table has, by the names of the model's columns."""

    model: type[models.Model]
    columns: tuple[str, ...] = ()
    refers: tuple[str, ...] = ()  # columns that hold the slug of another thing
    translated: tuple[str, ...] = ()
    body: str = ""  # the translated column that stands below the fields of a Markdown file
    markdown: tuple[str, ...] = ()  # which of the translated ones can show pictures
    others: tuple[str, ...] = ()  # keys that the loader reads by itself, such as lists
    belongs_to: str = ""  # the column of the thing whose list this is a row of
    known_by: tuple[str, ...] = ()  # what makes two rows of such a list the same one
    write: Callable[[Any], object] = methodcaller("save")  # how a new or changed row is written

    @property
    def called(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.translated, self.body) if self.body else self.translated


def snapshot(instance: models.Model) -> dict[str, Any]:
    """Return what the instance's row holds. A browser's line ends, and blanks around a text, make no difference."""
    held = {column.attname: getattr(instance, column.attname) for column in instance._meta.concrete_fields}
    return {
        name: value.replace("\r\n", "\n").strip() if isinstance(value, str) else value for name, value in held.items()
    }


class Row:
    """A row as it will stand in the database, and as it stands there now."""

    def __init__(self, kind: Kind, instance: Any) -> None:
        self.kind = kind
        self.instance = instance
        self.before = snapshot(instance)
        self.refers: dict[str, Row] = {}
        self.many: dict[str, list[Row]] = {}
        self.texts: list[Text] = []

    @property
    def is_new(self) -> bool:
        return bool(self.instance._state.adding)

    @property
    def moves(self) -> bool:
        return not self.is_new and self.before.get("position") != getattr(self.instance, "position", None)

    def save(self) -> str:
        """Write what differs; return whether the thing was created, changed or unchanged."""
        is_new = self.is_new
        for column, row in self.refers.items():
            setattr(self.instance, column, row.instance)
        changed = snapshot(self.instance) != self.before
        if is_new or changed:
            self.kind.write(self.instance)
        for text in self.texts:
            changed = text.save(self.instance) or changed
        for name, rows in self.many.items():
            manager = getattr(self.instance, name)
            wanted = {row.instance.pk for row in rows}
            if wanted != set(manager.values_list("pk", flat=True)):
                manager.set(wanted)
                changed = True
        return "created" if is_new else "changed" if changed else "unchanged"


@dataclass
class Text:
    """A row's texts in one language, and where they stand in the folder."""

    instance: Any
    table: Table
    before: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.before = snapshot(self.instance)

    def save(self, master: models.Model) -> bool:
        """Write the texts if they differ; return whether they did."""
        if not self.instance._state.adding and snapshot(self.instance) == self.before:
            return False
        self.instance.master = master
        self.instance.save()
        return True


def row_of(
    kind: Kind, table: Table, instance: Any, translations: dict[str, Table] | None = None, **given: object
) -> Row:
    """
    Make the row that `table` tells of, upon the `instance` that is in the database already or a new one.

    `translations`: the tables of other languages, where they are files of their own; else they stand within the table.
    `given`: columns that no key stands for. Every problem is noted at its place.
    """
    row = Row(kind, instance)
    for name, value in given.items():
        setattr(instance, name, value)
    languages = OTHER_LANGUAGES if kind.translated and not kind.body else ()
    of_texts = (LANGUAGE, *languages) if kind.texts else ()
    check_keys(table, (*kind.columns, *kind.refers, *kind.texts, *kind.others, *of_texts))
    fill(instance, table, kind.columns)
    if kind.texts:
        within = {language: inner for language in languages if (inner := table.inner(language))}
        _translate(row, _language(table), table, within | (translations or {}))
    return row


def _language(table: Table) -> str:
    """Return the language of the table's own texts: English, unless it names the one language that there is."""
    code = table.data.get(LANGUAGE, ENGLISH)
    if code in {ENGLISH, *OTHER_LANGUAGES}:
        return str(code)
    table.report(f"expects the language of a thing that has no English text: {', '.join(OTHER_LANGUAGES)}.", LANGUAGE)
    return ENGLISH


def _translate(row: Row, base: str, own: Table, others: dict[str, Table]) -> None:
    """Add the texts in each language. What stands in the table itself stands for what another language leaves out."""
    model: Any = row.instance._parler_meta.root_model
    stored = {} if row.is_new else {text.language_code: text for text in model.objects.filter(master=row.instance)}
    if base in others:
        own.report(f"says that the texts here are in {base}, in which there are others as well.", LANGUAGE)
    first: Any = None
    for language, table in {base: own, **others}.items():
        text = Text(stored.get(language) or model(language_code=language), table)
        row.texts.append(text)
        if first:
            check_keys(table, row.kind.texts)
            for name in row.kind.texts:
                setattr(text.instance, name, getattr(first, name))
        fill(text.instance, table, row.kind.texts, complete=not first)
        first = first or text.instance


def fill(instance: models.Model, table: Table, columns: Iterable[str], *, complete: bool = True) -> None:
    """
    Set the columns that the table has keys for, and let the model validate them.

    `complete`: whether a missing key that the model requires is a problem.
    """
    wrong: set[str] = set()
    for name in columns:
        column = instance._meta.get_field(name)
        try:
            if name in table.data:
                setattr(instance, name, _value(column, table.data[name]))
            elif complete and not (column.blank or column.null or column.has_default()):  # type: ignore[union-attr]
                below = "the text below the fields" if name == table.source.body_key else expected(column)
                wrong.add(name)
                table.report(f"{name} is missing: it expects {below}.")
        except ValidationError as error:
            wrong.add(name)
            table.report(" ".join(error.messages), name)
    validate(instance, table, {name: (name,) for name in columns if name in table.data}, wrong)


def validate(
    instance: models.Model, table: Table, places: dict[str, tuple[str | int, ...]], wrong: Collection[str] = ()
) -> None:
    """
    Let the model validate the instance; note its complaints at the `places` of the columns.

    References to other rows are the loader's to check: their rows may not be written yet.
    """
    references = {column.name for column in instance._meta.concrete_fields if column.is_relation}
    try:
        instance.full_clean(exclude=references | set(wrong))
    except ValidationError as error:
        for column, errors in error.error_dict.items():
            for one in errors:
                message = " ".join(one.messages)
                unknown = str((one.params or {}).get("unknown", "")).partition(", ")[0]
                message = next((words for name, words in WORDS.items() if name in message), message)
                if "protests_target_email_once" in message and "email" in places:
                    table.report("is the address of another target in the database; each has its own.", "email")
                elif column in places:
                    table.report(message, *places[column], at=unknown)
                else:
                    table.report(f"{column}: {message}" if column != "__all__" else message)


# What the database's rules for what visitors sent in mean in a folder, by how their names end.
WORDS = {
    "_sent_with_consent": "What a visitor sent in has submitted_at and consent_version; nothing else has either.",
    "_is_approved_first": "What a visitor sent in is published with approved_at, when an organiser approved it.",
    "_refused_or_approved": "An organiser has refused this in the admin. It is to be taken up again there first.",
}


def check_keys(table: Table, known: Collection[str]) -> None:
    """Note each key that is not known here."""
    for key in table.data:
        if key not in known:
            table.report(f"is not known here{did_you_mean(key, known)} Known are: {', '.join(known)}.", key)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence, with the nearest of the known words if one is near."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "."


def expected(column: Any) -> str:
    """Say what a column expects, as one writes it in TOML."""
    if column.choices:
        return f"one of {', '.join(str(choice) for choice, _label in column.choices)}"
    return next(words for kind, _types, words in COLUMNS if isinstance(column, kind))


COLUMNS: tuple[tuple[Any, type, str], ...] = (
    (models.BooleanField, bool, "true or false"),
    (models.IntegerField, int, "a whole number"),
    (models.DecimalField, Decimal, "a number such as 51.5"),
    (models.DateTimeField, date, "a date such as 2011-07-20, or 2011-07-20T12:00:00Z"),
    (models.DateField, date, "a date such as 2011-07-20"),
    (models.TimeField, time, "a time such as 09:00:00"),
    (models.EmailField, str, 'an e-mail address, such as "office@example.org"'),
    (models.Field, str, 'text in quotes, such as "text"'),
)


def _value(column: Any, value: Any) -> Any:
    """Return the value as the column holds it. Raises ValidationError when it is none for this column."""
    wanted = next(types for kind, types, _words in COLUMNS if isinstance(column, kind))
    if isinstance(value, str) and column.null and not value.strip():
        return None
    has_time_too_many = isinstance(value, datetime) and not isinstance(column, models.DateTimeField)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)) or has_time_too_many:
        raise ValidationError(f"expects {expected(column)}; found {described(value)}.")
    if isinstance(value, date):
        return _moment(column, value)
    if isinstance(value, str):
        return _words(column, value.strip())
    return value


def _moment(column: Any, value: date) -> date:
    if value.year not in YEARS:
        raise ValidationError(f"expects a year from {YEARS[0]} to {YEARS[-1]}; found {value.year}.")
    if not isinstance(column, models.DateTimeField):
        return value
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _words(column: Any, value: str) -> str:
    allowed = "\n\t" if isinstance(column, models.TextField) else ""
    if holds_control_character(value, allowed):
        raise ValidationError("holds a control character, such as NUL, or a line break where one line is expected.")
    if column.choices and value not in dict(column.choices):
        choices = [str(choice) for choice, _label in column.choices]
        raise ValidationError(f'expects {expected(column)}; found "{value}"{did_you_mean(value, choices)}')
    return CHECKS[column.name](value) if value and column.name in CHECKS else value


def country(value: str) -> str:
    """Return the code of a country. Raises ValidationError when there is none such in ISO 3166."""
    if value not in CODES:
        better = NOT_ISO.get(value.upper(), value.upper())
        hint = f"; did you mean {better}?" if better in CODES else "."
        raise ValidationError(
            f'expects the two capital letters of a country in ISO 3166, such as DE; found "{value}"{hint}'
        )
    return value


def _currency(value: str) -> str:
    validate_currency(value)
    return value


def _bank_code(kind: type[IBAN] | type[BIC]) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            return kind(value).compact
        except SchwiftyException as error:
            raise ValidationError(f"is not valid: {error}.") from error

    return check


# What the models leave to the forms of the admin: by the name of the column.
CHECKS: dict[str, Callable[[str], str]] = {
    "country": country,
    "currency": _currency,
    "iban": _bank_code(IBAN),
    "bic": _bank_code(BIC),
}
