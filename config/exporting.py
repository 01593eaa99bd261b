"""
Writing the campaign as the folder of text files that config.loading reads, by the same `Kind`s.

What the format has no place for stands in EXCEPTIONS with its reason; a test asks this of every column.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from campaign import markdown, media_files
from campaign.models import Campaign, Labour, Picture, Strike, Submitted
from config.filling import ENGLISH, LANGUAGE, OTHER_LANGUAGES, Kind
from config.folder import FENCE, holds_control_character
from config.loading import (
    ACCOUNT,
    ACTIVIST,
    CAMPAIGN,
    CHARGE,
    COMMENT,
    CUSTODY,
    DOCUMENT,
    ENDORSEMENT,
    FUND,
    LABOUR,
    LETTER,
    MESSAGE,
    MISSING,
    OF_A_STRIKE,
    OF_LABOUR,
    PICKET,
    PICTURE,
    REPORT,
    SHARE,
    STEP,
    STRIKE,
    TARGET,
    TRANSACTION,
    UPDATE,
    is_passed_over,
)
from donations import money
from donations.models import Fund, Transaction
from protests.models import PicketReport

# The folders of Markdown files, and the files that are lists of things with a slug.
PAGES: dict[str, Kind] = {
    "activists": ACTIVIST,
    "documents": DOCUMENT,
    "endorsements": ENDORSEMENT,
    "funds": FUND,
    "letters": LETTER,
    "messages": MESSAGE,
    "updates": UPDATE,
}
LISTS: dict[str, tuple[str, Kind]] = {"pickets.toml": ("picket", PICKET), "targets.toml": ("target", TARGET)}


def _transactions(fund: Fund) -> Iterable[Transaction]:
    """Return the gifts that files told of: the rest of the books is no text of the campaign."""
    rows = fund.transactions.filter(account=None, recorded_by=None, reverses=None, reversal=None, amount_minor__gt=0)
    return rows.order_by("booked_on", "pk")


def _ours(rows: Any) -> Any:
    """Return the rows without what visitors sent in and no organiser published, or not any longer."""
    if not issubclass(rows.model, Submitted):
        return rows
    return rows.filter(Q(submitted_at=None) | Q(published_at__isnull=False))


def _pictures() -> Iterable[Picture]:
    """Return the pictures without those that came with a report which is not published."""
    unread = PicketReport.objects.filter(submitted_at__isnull=False, published_at=None)
    sent_in = PicketReport.pictures.through.objects.filter(picketreport__in=unread)
    rows = Picture.objects.exclude(published_at=None, uploaded_by=None, pk__in=sent_in.values("picture"))
    return rows.order_by("sha256")


_TABLE, _LIST = "[{}]", "[[{}]]"
# Tables within a table, by the model and the key: of which kind, which rows, and in which brackets.
INNER: dict[tuple[type[models.Model], str], tuple[Kind, Callable[[Any], Iterable[Any]], str]] = {
    (ACTIVIST.model, "charge"): (CHARGE, lambda activist: activist.charges.all(), _LIST),
    (ACTIVIST.model, "custody"): (CUSTODY, lambda activist: activist.custodies.all(), _LIST),
    (CHARGE.model, "step"): (STEP, lambda charge: charge.updates.all(), _LIST),
    (LABOUR.model, "share"): (SHARE, lambda labour: labour.shares.all(), _LIST),
    (UPDATE.model, "comment"): (COMMENT, lambda update: _ours(update.said.order_by("pk")), _LIST),
    (PICKET.model, "report"): (REPORT, lambda picket: _ours(picket.reports.order_by("pk")), _LIST),
    (FUND.model, "account"): (ACCOUNT, lambda fund: fund.accounts.filter(proposed_by=None)[:1], _TABLE),
    (FUND.model, "transaction"): (TRANSACTION, _transactions, _LIST),
}


def _units(gift: Transaction) -> int | Decimal:
    amount = Decimal(gift.amount_minor).scaleb(-money.exponent(gift.currency))
    return amount if amount % 1 else int(amount)


def _slugs(rows: Any) -> list[str]:
    return sorted(rows.values_list("slug", flat=True))


def _countries(kind: str) -> Callable[[Any], list[str]]:
    return lambda target: sorted(target.countries.filter(kind=kind).values_list("country", flat=True))


def _targets(rule: str) -> Callable[[Any], list[str]]:
    return lambda letter: _slugs(letter.targets.filter(addressees__rule=rule))


# What the other keys hold that the loader reads by itself, by the model and the key.
OTHERS: dict[tuple[type[models.Model], str], Callable[[Any], Any]] = {
    (ACTIVIST.model, "aliases"): lambda activist: sorted(activist.aliases.values_list("name", flat=True)),
    (UPDATE.model, "activists"): lambda update: _slugs(update.activists),
    **{(TARGET.model, kind): _countries(kind) for kind in TARGET.others},
    **{(LETTER.model, rule): _targets(rule) for rule in LETTER.others},
    (REPORT.model, "pictures"): lambda report: sorted(picture.slug for picture in report.pictures.all()),
    (ACCOUNT.model, "payable"): lambda _account: False,
    (TRANSACTION.model, "amount"): _units,
}

_ORDER = "the order of the list in the file"
_PACE = "how sending goes on this instance, not what the campaign says"
_TWO = "two organisers' word, in the admin, and no file's"
_WHO = "who decided is an account of this instance"
_LEFT_OUT = "what was refused or waits for an organiser does not go out"
_SENT_IN = {
    "contact": "a visitor's address, given to be asked back from here",
    "hold": "what the protection against abuse noticed here",
    "approved_by": _WHO,
    "refused_at": _LEFT_OUT,
    "refused_by": _LEFT_OUT,
}
# Columns of the models above that stand in no Kind. `id` and a slug that is a file's name need no reason.
EXCEPTIONS: dict[str, str] = {
    "campaign.Demand.position": _ORDER,
    "campaign.Claim.position": _ORDER,
    "campaign.Charge.position": _ORDER,
    "campaign.Company.position": _ORDER,
    "campaign.Share.position": _ORDER,
    "campaign.Source.position": _ORDER,
    "campaign.Picture.sha256": "the picture itself says it",
    "campaign.Picture.width": "the picture itself says it",
    "campaign.Picture.height": "the picture itself says it",
    "campaign.Picture.uploaded_at": "when it came to this instance",
    "campaign.Picture.uploaded_by": "who did it is an account of this instance",
    "protests.Picket.changed_at": "when this instance last saved it",
    **{
        f"{label}.{name}": reason
        for label in (
            *("campaign.Comment", "campaign.Endorsement", "campaign.MessageOfSupport"),
            *("protests.Picket", "protests.PicketReport"),
        )
        for name, reason in _SENT_IN.items()
    },
    "campaign.Update.changed_at": "when this instance last saved it",
    "protests.Addressee.rule": "the keys everybody, own_country and fallback of a letter",
    "protests.Addressee.target": "the keys everybody, own_country and fallback of a letter",
    "protests.Letter.paused_at": _PACE,
    "protests.Target.letters": "the keys everybody, own_country and fallback of a letter",
    "protests.Target.paused_at": _PACE,
    "protests.Target.suspended_at": _PACE,
    "protests.Target.suspended_because": _PACE,
    "protests.Target.trusted_since": _PACE,
    "protests.TargetCountry.kind": "the keys seat and accredited of a target",
    "donations.BankAccount.currency": "an account of the files is paid to by nobody",
    **{
        f"donations.BankAccount.{name}": _TWO
        for name in (
            *("proposed_by", "proposed_at", "approved_by", "approved_at", "valid_from", "withdrawn_by", "withdrawn_at"),
        )
    },
}
# Models of campaign/ that are no content.
NO_CONTENT: dict[str, str] = {
    "Edition": "a counter of changes",
    "Subscriber": "people, who agreed to this instance alone",
    "SubscriptionMail": "mail on its way",
    "MyDataMail": "mail on its way",
    "Mailing": "what was mailed from this instance",
    "MailingText": "what was mailed from this instance",
    "MailingCopy": "mail on its way",
    "MailingTrial": "mail on its way",
    "TextChange": "when words were last changed on this instance",
}


class Exporter:
    """The campaign on its way into a folder."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        # The files of pictures, by where they go.
        self.copies: dict[str, Path] = {}
        # What each picture that goes out is called, by its number and by its name.
        self._slugs: dict[str, str] = {}
        # What the format cannot hold as it stands, for a person to read.
        self.warnings: list[str] = []
        self._file = ""

    def collect(self) -> None:
        """Write every file, in memory."""
        for picture in _pictures():
            self._picture(picture)
        for campaign in Campaign.objects.all():
            self._write("campaign.toml", self._toml(CAMPAIGN, campaign, ()))
        for strike in Strike.objects.order_by("slug"):
            self._page(f"strikes/{strike.slug}/story", STRIKE, strike)
            for name, (key, kind) in OF_A_STRIKE.items():
                rows = kind.model._default_manager.filter(**{kind.belongs_to: strike})
                self._list(f"strikes/{strike.slug}/{name}", key, kind, rows)
            for labour in Labour.objects.filter(strike=strike):
                self._file = f"strikes/{strike.slug}/{OF_LABOUR}"
                self._write(self._file, self._toml(LABOUR, labour, ()))
        for folder, kind in PAGES.items():
            for row in _ours(kind.model._default_manager.order_by("slug")):
                if is_passed_over(f"{row.slug}.md"):
                    self._warn(f"{folder}/{row.slug}.md", "is a name that loading passes over: rename it.")
                self._page(f"{folder}/{row.slug}", kind, row)
        for name, (key, kind) in LISTS.items():
            self._list(name, key, kind, _ours(kind.model._default_manager.order_by("slug")))

    def _picture(self, picture: Picture) -> None:
        self._file = f"pictures/{picture.slug}.toml"
        path = media_files.path(picture.versions[-1].name)
        if path.is_file() and sha256(path.read_bytes()).hexdigest() == picture.sha256:
            self.copies[f"pictures/{picture.slug}.jpg"] = path
            self._slugs |= {str(picture.pk): picture.slug, picture.slug: picture.slug}
            self._write(self._file, self._toml(PICTURE, picture, ()))
        else:
            self._warn(self._file, f"picture {picture.pk} is left out: its file is not there, or not as it was.")

    def _warn(self, place: str, message: str) -> None:
        self.warnings.append(f"{place}: {message}")

    def _write(self, name: str, lines: Iterable[str], body: str | None = None) -> None:
        self._file = name
        text = "\n".join(lines).strip("\n") + "\n"
        if body is not None:
            text = f"{FENCE}\n{text.lstrip()}{FENCE}\n" + (f"\n{body}\n" if body else "")
        self.files[name] = text

    def _list(self, name: str, key: str, kind: Kind, rows: Iterable[Any]) -> None:
        self._file = name
        lines = [line for row in rows for line in ("", f"[[{key}]]", *self._toml(kind, row, (key,)))]
        if lines:
            self._write(name, lines)

    def _page(self, stem: str, kind: Kind, row: Any) -> None:
        """Write a Markdown file, and one beside it for each translation."""
        self._file = f"{stem}.md"
        texts = self._texts(kind, row)
        english = texts.pop(ENGLISH)
        fields, body = self._apart(kind, english)
        self._write(f"{stem}.md", self._toml(kind, row, (), fields), body)
        for language, words in texts.items():
            self._file = f"{stem}.{language}.md"
            fields, body = self._apart(kind, words, english)
            self._write(self._file, [f"{name} = {_value(text)}" for name, text in fields.items()], body)

    @staticmethod
    def _apart(kind: Kind, texts: dict[str, str], english: dict[str, str] | None = None) -> tuple[dict[str, str], str]:
        """Part what stands among the fields from what stands below them, which cannot be everything."""
        fields, body = dict(texts), texts.get(kind.body, "")
        below = body and not _has_fence(body)
        if below or (kind.body in fields and not body and not (english and english.get(kind.body))):
            del fields[kind.body]
        return fields, body if below else ""

    def _toml(self, kind: Kind, row: Any, path: tuple[str, ...], texts: dict[str, str] | None = None) -> Iterator[str]:
        """Yield the lines of a row's table, and of those within it."""
        within = self._texts(kind, row) if texts is None and kind.texts else {}
        texts = within.pop(ENGLISH, {}) if texts is None else texts
        yield from (f"{name} = {_value(value)}" for name, value in self._fields(kind, row, texts))
        for language, words in within.items():
            yield f"[{'.'.join((*path, language))}]"
            yield from (f"{name} = {_value(text)}" for name, text in words.items())
        for key in kind.others:
            if inner := INNER.get((kind.model, key)):
                yield from self._inner(*inner, row, (*path, key))

    def _fields(self, kind: Kind, row: Any, texts: dict[str, str]) -> Iterator[tuple[str, Any]]:
        """Yield the keys of a row's table and their values, without what a new row has by itself."""
        for name in kind.columns:
            column: Any = row._meta.get_field(name)
            value = getattr(row, name)
            value = self._clean(column, value) if isinstance(value, str) else value
            if value or value != column.get_default():
                yield name, value
        for name in kind.refers:
            thing = getattr(row, name)
            if isinstance(thing, Picture) and thing.slug not in self._slugs:
                self._warn(self._file, f"{name} is left out: picture {thing.pk} does not go out.")
            elif thing:
                yield name, thing.slug
        yield from texts.items()
        for key in kind.others:
            if (kind.model, key) not in INNER and (value := OTHERS[kind.model, key](row)) != []:
                yield key, value

    def _inner(
        self,
        kind: Kind,
        rows: Callable[[Any], Iterable[Any]],
        brackets: str,
        row: Any,
        path: tuple[str, ...],
    ) -> Iterator[str]:
        for inner in rows(row):
            yield from ("", brackets.format(".".join(path)))
            yield from self._toml(kind, inner, path)

    def _texts(self, kind: Kind, row: Any) -> dict[str, dict[str, str]]:
        """Return the texts by language, English first; of another one what is not as in English."""
        model: Any = row._parler_meta.root_model
        stored = {text.language_code: text for text in model.objects.filter(master=row)}
        if not stored:
            self._warn(self._file, f"{row} has no text in any language.")
            return {ENGLISH: {}}
        base = next((code for code in (ENGLISH, *OTHER_LANGUAGES) if code in stored), min(stored))
        for language in sorted({*stored} - {ENGLISH, *OTHER_LANGUAGES}):
            what = "it stands in the place of the English one" if language == base else "left out"
            self._warn(self._file, f"{row} has a text in {language}, which is no language of this site: {what}.")
        columns = {name: model._meta.get_field(name) for name in kind.texts}
        read = {
            language: {name: self._words(kind, column, getattr(text, name)) for name, column in columns.items()}
            for language, text in stored.items()
        }
        english = read[base]
        found = {ENGLISH: {name: text for name, text in english.items() if text or name == kind.body}}
        if base in OTHER_LANGUAGES:
            found[ENGLISH] = {LANGUAGE: base, **found[ENGLISH]}
        for language in OTHER_LANGUAGES:
            if language in read and language != base:
                found[language] = {
                    name: text
                    for name, text in read[language].items()
                    if text != english[name] and (text or self._may_be_empty(columns[name], row, language))
                }
        return found

    def _may_be_empty(self, column: Any, row: Any, language: str) -> bool:
        if not column.blank:
            self._warn(self._file, f"{row} has no {column.name} in {language}: the English one will stand there.")
        return bool(column.blank)

    def _words(self, kind: Kind, column: Any, text: str) -> str:
        """Return a text as it can be loaded elsewhere, where pictures have other numbers."""
        if column.name not in kind.markdown:
            return self._clean(column, text)
        for name in {*markdown.names_of_pictures(text)} - {*self._slugs, MISSING}:
            self._warn(self._file, f'{column.name} names a picture that does not go out: "{name}".')
        return self._clean(column, markdown.rename_pictures(text, lambda name: self._slugs.get(name, MISSING)))

    def _clean(self, column: Any, text: str) -> str:
        """Return a text as loading takes it: line ends of one kind, nothing around it, no control characters."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
        allowed = "\n\t" if isinstance(column, models.TextField) else ""
        if not holds_control_character(text, allowed):
            return text
        self._warn(self._file, f"{column.name} holds control characters: they are left out.")
        return "".join(
            sign if sign in allowed or not holds_control_character(sign) else " " if sign in "\n\t" else ""
            for sign in text
        ).strip()


def _has_fence(text: str) -> bool:
    """Whether a line of it would end the fields of a Markdown file."""
    return any(line.rstrip() == FENCE for line in text.split("\n"))


def _value(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Decimal):
        return f"{value:f}" if "." in f"{value:f}" else f"{value:f}.0"
    if isinstance(value, str) or value is None:
        return _text(value or "")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _text(text: str) -> str:
    if "\n" not in text or _has_fence(text):
        return json.dumps(text, ensure_ascii=False)
    escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
    return f'"""\n{escaped}\n"""'


def export(folder: Path) -> tuple[int, list[str]]:
    """
    Write the campaign to `folder`, which must not be there or be empty; return how many files, and warnings.

    Raises FileExistsError. The folder is there when all of it is.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(folder)
    exporter = Exporter()
    with transaction.atomic():
        exporter.collect()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        root = Path(made, "campaign")
        root.mkdir()
        for name, text in exporter.files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        for name, path in exporter.copies.items():
            shutil.copyfile(path, root / name)
        root.replace(folder)
    return len(exporter.files) + len(exporter.copies), exporter.warnings
