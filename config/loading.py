"""
Loading a campaign from a folder of text files, whose format docs/campaign-folder.md describes.

The whole folder is read and validated first, by the models' own rules, and then written. A thing is known by its slug,
a row of a list (a demand, a charge) by its words or its date, so that loading again changes nothing. What no file
mentions is left alone.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from parler.models import TranslatableModel

from campaign import markdown, media_files, picturing
from campaign.editions import new_edition
from campaign.models import (
    Activist,
    Alias,
    Campaign,
    Charge,
    ChargeUpdate,
    Claim,
    Comment,
    Company,
    Custody,
    Demand,
    Document,
    Endorsement,
    Labour,
    MessageOfSupport,
    Picture,
    Share,
    Strike,
    Submitted,
    TimelineEvent,
    Update,
)
from campaign.models import Source as SourceOfStrike
from config.filling import ENGLISH, OTHER_LANGUAGES, Kind, Row, check_keys, country, did_you_mean, row_of, validate
from config.folder import CampaignFolderError, Problem, Source, Table, described, read
from donations import accounts, money, posting
from donations.models import BankAccount, Fund, Transaction
from protests.models import Addressee, Letter, Picket, PicketReport, Target, TargetCountry
from protests.tallying import tally

# Of what visitors sent in: by these the dates of deletion are kept. Where else it came from is no file's.
SENT_IN = ("submitted_at", "consent_version", "approved_at")

PICTURE = Kind(Picture, ("credit", "published_at"), translated=("alt",))
CAMPAIGN = Kind(Campaign, ("contact_email",), translated=("name", "tagline", "notice"), markdown=("notice",))
STRIKE = Kind(
    Strike,
    ("began_on", "status", "published_at"),
    translated=("title", "place", "summary", "outcome"),
    body="story",
    markdown=("outcome", "story"),
)
DEMAND = Kind(Demand, ("won_on",), translated=("text", "won_text"), belongs_to="strike", known_by=("text",))
EVENT = Kind(
    TimelineEvent,
    ("happened_on", "kind", "source"),
    translated=("date_text", "title", "text"),
    markdown=("text",),
    belongs_to="strike",
    known_by=("happened_on", "title"),
)
COMPANY = Kind(Company, ("name", "url"), translated=("role",), belongs_to="strike", known_by=("name",))
SOURCE = Kind(
    SourceOfStrike,
    ("title", "author", "publisher", "published_on", "url"),
    belongs_to="strike",
    known_by=("title",),
)
LABOUR = Kind(
    Labour,
    ("amount", "currency", "source"),
    translated=("title", "rest", "note"),
    markdown=("note",),
    others=("share",),
    belongs_to="strike",
)
SHARE = Kind(Share, ("kind", "amount", "is_rounded"), translated=("label",), belongs_to="labour", known_by=("label",))
CLAIM = Kind(Claim, translated=("claim", "answer"), markdown=("answer",), belongs_to="strike", known_by=("claim",))
ACTIVIST = Kind(
    Activist,
    ("name", "remembered", "born_on", "died_on", "position", "published_at"),
    refers=("strike", "portrait"),
    translated=("role", "demand", "died_text"),
    body="story",
    markdown=("demand", "story"),
    others=("aliases", "charge", "custody"),
)
ALIAS = Kind(Alias, belongs_to="activist", known_by=("name",))
CHARGE = Kind(
    Charge,
    ("maximum_months",),
    translated=("title", "text"),
    markdown=("text",),
    others=("step",),
    belongs_to="activist",
    known_by=("title",),
)
STEP = Kind(
    ChargeUpdate,
    ("happened_on", "stage", "source"),
    translated=("date_text", "text"),
    markdown=("text",),
    belongs_to="charge",
    known_by=("happened_on", "stage"),
)
CUSTODY = Kind(
    Custody,
    ("began_on", "ended_on", "known_until", "exact", "source"),
    translated=("date_text", "place"),
    belongs_to="activist",
    known_by=("began_on",),
)
UPDATE = Kind(
    Update,
    ("source", "comments", "published_at"),
    refers=("strike",),
    translated=("title", "summary"),
    body="body",
    markdown=("body",),
    others=("activists", "comment"),
)
COMMENT = Kind(
    Comment,
    ("person", "text", "published_at", *SENT_IN),
    belongs_to="update",
    known_by=("submitted_at", "text"),
)
MESSAGE = Kind(
    MessageOfSupport,
    ("kind", "person", "country", "received_on", "published_at", *SENT_IN),
    refers=("strike",),
    translated=("organisation",),
    body="text",
)
ENDORSEMENT = Kind(
    Endorsement,
    ("organisation", "branch", "country", "members", "url", "endorsed_on", "published_at", *SENT_IN),
    refers=("strike", "logo"),
    body="statement",
)
DOCUMENT = Kind(
    Document,
    ("kind", "shows_account", "published_at"),
    refers=("strike",),
    translated=("title",),
    body="body",
    markdown=("body",),
)
TARGET = Kind(
    Target,
    ("slug", "name", "email", "daily_cap", "spacing_seconds", "opens_at", "closes_at", "time_zone"),
    translated=("salutation",),
    others=tuple(TargetCountry.Kind.values),
)
TARGET_COUNTRY = Kind(TargetCountry, belongs_to="target", known_by=("country",))
PICKET = Kind(
    Picket,
    (
        *("slug", "kind", "country", "starts_at", "ends_at", "time_zone", "latitude", "longitude", "published_at"),
        *SENT_IN,
    ),
    refers=("strike", "target"),
    translated=("place", "address", "date_text", "text"),
    markdown=("text",),
    others=("report",),
)
REPORT = Kind(
    PicketReport,
    ("organisation", "people", "published_at", *SENT_IN),
    translated=("text",),
    others=("pictures",),
    belongs_to="picket",
    known_by=("submitted_at", "text"),
)
LETTER = Kind(
    Letter,
    ("reply_to", "published_at", "closed_at", "result"),
    refers=("strike", "activist"),
    translated=("title", "introduction", "subject", "outcome"),
    body="body",
    markdown=("introduction", "outcome"),
    others=tuple(Addressee.Rule.values),
)
ADDRESSEE = Kind(Addressee, belongs_to="letter", known_by=("target_id",))
FUND = Kind(
    Fund,
    ("currencies", "published_at"),
    refers=("strike",),
    translated=("title",),
    body="text",
    markdown=("text",),
    others=("account", "transaction"),
)
# Which account donors may pay to is two organisers' word, in the admin, and no file's.
ACCOUNT = Kind(
    BankAccount,
    ("holder", "iban", "bic"),
    translated=("note",),
    others=("payable",),
    belongs_to="fund",
    write=lambda account: accounts.propose(account, by=None),
)
TRANSACTION = Kind(
    Transaction,
    ("booked_on", "currency", "description"),
    others=("amount",),
    belongs_to="fund",
    write=lambda gift: posting.receive(gift, by=None),
)

# What a campaign's folder may hold, and each folder of a strike.
FOLDERS = ("activists", "documents", "endorsements", "funds", "letters", "messages", "pictures", "strikes", "updates")
FILES = ("campaign.toml", "pickets.toml", "targets.toml")
OF_A_STRIKE = {
    "claims.toml": ("claim", CLAIM),
    "companies.toml": ("company", COMPANY),
    "demands.toml": ("demand", DEMAND),
    "sources.toml": ("source", SOURCE),
    "timeline.toml": ("event", EVENT),
}
OF_LABOUR = "labour.toml"
# How the file of a picture may end; beside it stands one that ends in .toml.
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
# What a text calls a picture that is gone.
MISSING = "missing"
_STEM = re.compile(r"[A-Za-z0-9_-]{1,100}")
# While a list is put into another order, its rows wait here, out of the way of the positions that others take.
ASIDE = 20_000


class Report:
    """How many things of each kind were created, changed, unchanged and removed."""

    COLUMNS = ("created", "changed", "unchanged", "removed")

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}

    def add(self, kind: Kind, done: str) -> None:
        self.counts.setdefault(kind.called, Counter())[done] += 1

    def total(self, done: str) -> int:
        return sum(counter[done] for counter in self.counts.values())

    @property
    def changed_nothing(self) -> bool:
        return not any(self.total(done) for done in ("created", "changed", "removed"))

    def __str__(self) -> str:
        width = max(map(len, self.counts), default=0)
        rows = [f"{'':{width}}" + "".join(f"{column:>11}" for column in self.COLUMNS)]
        for kind, counter in self.counts.items():
            rows.append(f"{kind:{width}}" + "".join(f"{counter[column]:>11}" for column in self.COLUMNS))
        return "\n".join(rows)


def load(folder: Path) -> Report:
    """
    Write the campaign in `folder` to the database, its pictures to MEDIA_ROOT, and return what changed.

    Raises CampaignFolderError, with every problem that was found, and then changes nothing.
    """
    written: list[Picture] = []
    try:
        with transaction.atomic():
            report = _checked(folder).write(written)
            if not report.changed_nothing:
                tally()  # else the pages of new letters would not say a number before the worker counts
                new_edition()
    except BaseException:
        for picture in written:
            media_files.clear(picture)
        raise
    return report


@transaction.atomic
def check(folder: Path) -> None:
    """Read the campaign in `folder` and write nothing. Raises CampaignFolderError, with every problem."""
    _checked(folder)


def _checked(folder: Path) -> "Loader":
    loader = Loader(folder)
    if loader.has_a_campaign():
        loader.read()
    if loader.problems:
        raise CampaignFolderError(loader.problems)
    return loader


def is_passed_over(name: str) -> bool:
    """Whether a file is for people only, or an editor's own."""
    return name.startswith(".") or name.endswith("~") or name.lower() in {"readme.md", "readme.txt"}


class Loader:
    """One folder on its way into the database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        # What will be written, each row after those that it refers to.
        self.rows: list[Row] = []
        self.gone: list[tuple[Kind, models.Model]] = []
        # Where the file of a picture is.
        self.paths: dict[Row, Path] = {}
        # Every thing with a slug, also one whose file cannot be read: it is there, and its problem is noted.
        self.things: dict[tuple[type[models.Model], str], Row] = {}

    def has_a_campaign(self) -> bool:
        """Look at the names in the folder; note those that belong to no campaign."""
        try:
            names = self._listed("")
        except FileNotFoundError:
            self._bad("", f"There is no folder {self.folder}.")
            return False
        except NotADirectoryError:
            self._bad("", f"{self.folder} is a file; the folder of a campaign is expected.")
            return False
        except OSError as error:
            self._bad("", f"The folder {self.folder} cannot be read: {error.strerror}.")
            return False
        known = (*FOLDERS, *FILES)
        if not set(names) & set(known):
            self._bad("", f"The folder {self.folder} holds no campaign. Expected are {', '.join(known)}.")
        for name in names:
            if name in FOLDERS and not (self.folder / name).is_dir():
                self._bad(name, "is a file; a folder is expected here.")
            elif name not in known and not is_passed_over(name):
                self._bad(name, f"is no part of a campaign's folder{did_you_mean(name, known)}")
        return True

    def read(self) -> None:
        """Read every file into rows, noting every problem."""
        self._pictures()
        if (self.folder / "campaign.toml").exists() and (source := self._read("campaign.toml")):
            self.rows.append(self._row(CAMPAIGN, source.table, Campaign.objects.first() or Campaign(pk=1)))
        for slug in self._names("strikes"):
            self._strike(slug)
        self._pages("activists", ACTIVIST, self._activist)
        self._pages("updates", UPDATE, self._update)
        self._pages("messages", MESSAGE)
        self._pages("endorsements", ENDORSEMENT)
        self._pages("documents", DOCUMENT)
        self._list("targets.toml", "target", TARGET, self._target)
        self._list("pickets.toml", "picket", PICKET, self._picket)
        self._pages("letters", LETTER, self._letter)
        self._pages("funds", FUND, self._fund)

    def write(self, pictures: list[Picture]) -> Report:
        """Write what differs, and add to `pictures` those whose files are written."""
        report = Report()
        for kind, instance in self.gone:
            if isinstance(instance, Charge):
                for _step in instance.updates.all():
                    report.add(STEP, "removed")
            instance.delete()
            report.add(kind, "removed")
        for number, row in enumerate(self.rows):
            if row.moves:
                row.kind.model._default_manager.filter(pk=row.instance.pk).update(position=ASIDE + number)
        for row in self.rows:
            has_new_files = row in self.paths and self._write_picture(row, pictures)
            done = row.save()
            report.add(row.kind, "changed" if has_new_files and done == "unchanged" else done)
        return report

    # --- Files

    def _bad(self, name: str, message: str) -> None:
        self.problems.append(Problem(name, 0, "", message))

    def _read(self, name: str) -> Source | None:
        return read(self.folder, name, self.problems)

    def _listed(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; note those that are not UTF-8, which nothing else could show."""
        found = []
        for path in (self.folder / folder).iterdir():
            shown = path.name.encode(errors="backslashreplace").decode()
            if shown == path.name:
                found.append(shown)
            else:
                self._bad(f"{folder}/{shown}".removeprefix("/"), "has a name that is not UTF-8: rename it.")
        return sorted(found)

    def _names(self, folder: str) -> list[str]:
        """Return the names in a folder of the campaign; none where there is no such folder."""
        if not (self.folder / folder).is_dir():
            return []
        try:
            return [name for name in self._listed(folder) if not is_passed_over(name)]
        except OSError as error:
            self._bad(folder, f"cannot be read: {error.strerror}.")
            return []

    def _translated(self, folder: str, names: Iterable[str]) -> dict[str, dict[str, Source | None]]:
        """Read the files `slug.md` and their translations, such as `slug.de.md`; return them by slug and language."""
        found: dict[str, dict[str, Source | None]] = {}
        for name in names:
            slug, *language = name.removesuffix(".md").split(".")
            if not name.endswith(".md"):
                self._bad(f"{folder}/{name}", "expects a name that ends in .md.")
            elif language and (len(language) > 1 or language[0] not in OTHER_LANGUAGES):
                others = ", ".join(OTHER_LANGUAGES)
                self._bad(f"{folder}/{name}", f"what stands before .md is a language: {others}, or none for English.")
            else:
                found.setdefault(slug, {})[language[0] if language else ENGLISH] = self._read(f"{folder}/{name}")
        for slug, languages in list(found.items()):
            if ENGLISH not in languages:
                self._bad(f"{folder}/{slug}.{min(languages)}.md", f"translates {slug}.md, which is not there.")
                del found[slug]
        return found

    # --- Pictures: they come first, for others name them

    def _pictures(self) -> None:
        names, known = self._names("pictures"), (".toml", *PICTURES)
        found: dict[str, list[str]] = {}
        for name in names:
            if name.lower().endswith(PICTURES):
                found.setdefault(name.rpartition(".")[0], []).append(name)
        for name in names:
            stem = name.rpartition(".")[0]
            if not name.lower().endswith(known):
                self._bad(f"pictures/{name}", f"expects a name that ends in one of {', '.join(known)}.")
            elif stem not in found:
                there = ", ".join(f"{stem}{ending}" for ending in PICTURES)
                self._bad(f"pictures/{name}", f"tells of a picture that is not there; expected is one of {there}.")
        for stem, files in found.items():
            self.things[Picture, stem] = Row(PICTURE, Picture())  # one with a problem is there, too
            if not _STEM.fullmatch(stem) or stem == MISSING:
                self._bad(f"pictures/{files[0]}", f'expects a name of letters, digits, "-" and "_", not "{MISSING}".')
            elif len(files) > 1:
                self._bad(f"pictures/{files[1]}", f"has the same name as {files[0]}: each picture has its own.")
            elif f"{stem}.toml" not in names:
                self._bad(f"pictures/{files[0]}", f"lacks {stem}.toml beside it, which says in alt what is to be seen.")
            else:
                self._picture(stem, f"pictures/{files[0]}")

    def _picture(self, stem: str, name: str) -> None:
        row = Row(PICTURE, Picture())
        drawn = self._drawn(name)
        if drawn:
            row.instance = Picture.objects.filter(sha256=drawn.sha256).first() or Picture(
                sha256=drawn.sha256, width=drawn.large.width, height=drawn.large.height
            )
        if drawn and (source := self._read(f"pictures/{stem}.toml")):
            row = self._row(PICTURE, source.table, row.instance)
        if drawn and (other := next((other for other in self.paths if other.instance.sha256 == drawn.sha256), None)):
            self._bad(name, f"is the same picture as pictures/{self.paths[other].name}.")
        self.rows.append(row)
        self.paths[row] = self.folder / name
        self.things[Picture, stem] = row

    def _drawn(self, name: str) -> picturing.Drawn | None:
        try:
            with (self.folder / name).open("rb") as file:
                return picturing.drawn_once(file)
        except OSError as error:
            self._bad(name, f"cannot be read: {error.strerror}.")
        except ValidationError as error:
            self._bad(name, " ".join(error.messages))
        return None

    def _write_picture(self, row: Row, pictures: list[Picture]) -> bool:
        """Write a picture's files, unless they are there; return whether they had to be."""
        picture = row.instance
        if all(media_files.path(version.name).is_file() for version in picture.versions):
            return False
        name = f"pictures/{self.paths[row].name}"
        drawn = self._drawn(name)
        if drawn is None or drawn.sha256 != picture.sha256:
            raise CampaignFolderError(self.problems or [Problem(name, 0, "", "was changed meanwhile. Load again.")])
        pictures.append(picture)
        picturing.put(drawn, picture)
        return True

    # --- Things

    def _row(
        self, kind: Kind, table: Table, instance: Any, translations: dict[str, Table] | None = None, **given: object
    ) -> Row:
        """Make the row that `table` tells of, and call the pictures in its texts by names that they have everywhere."""
        row = row_of(kind, table, instance, translations, **given)
        for text in row.texts:
            for name in kind.markdown:
                setattr(text.instance, name, markdown.rename_pictures(getattr(text.instance, name), self._slug_of))
                text.before[name] = markdown.rename_pictures(text.before[name], self._slug_of)
                if isinstance(written := text.table.data.get(name), str):
                    for called in self._unknown_pictures(written):
                        text.table.report(f'there is no picture "{called}".', name, at=f"picture:{called}")
        return row

    def _slug_of(self, name: str) -> str:
        """Return the name that a picture has everywhere; an unknown one as it is."""
        row = self.things.get((Picture, name))
        known = row.instance if row else Picture.objects.by_name([name]).get(name)
        return known.slug if known else name

    def _unknown_pictures(self, text: str) -> list[str]:
        names = markdown.names_of_pictures(text)
        known = {MISSING, *(stem for model, stem in self.things if model is Picture), *Picture.objects.by_name(names)}
        return [name for name in names if name not in known]

    def _strike(self, slug: str) -> None:
        folder = f"strikes/{slug}"
        if not (self.folder / folder).is_dir():
            self._bad(folder, "is a file; each strike has a folder, with story.md in it.")
            return
        names = self._names(folder)
        stories = [name for name in names if name.split(".")[0] == "story"]
        known = (*OF_A_STRIKE, OF_LABOUR)
        for name in {*names} - {*stories, *known}:
            self._bad(f"{folder}/{name}", f"is no part of a strike{did_you_mean(name, ('story.md', *known))}")
        found = self._translated(folder, stories)
        if "story.md" not in names:
            self._bad(f"{folder}/story.md", "is missing.")
        strike = self._thing(STRIKE, slug, found.get("story", {}))
        for name, (key, kind) in OF_A_STRIKE.items():
            if name in names and (source := self._read(f"{folder}/{name}")):
                check_keys(source.table, (key,))
                self._children(kind, source.table, key, strike)
        if OF_LABOUR in names and (source := self._read(f"{folder}/{OF_LABOUR}")):
            self._labour(strike, source.table)

    def _labour(self, strike: Row, table: Table) -> None:
        stored = None if strike.is_new else Labour.objects.filter(strike=strike.instance).first()
        labour = self._row(LABOUR, table, stored or Labour())
        labour.refers["strike"] = strike
        self.rows.append(labour)
        self._children(SHARE, table, "share", labour)
        amounts = [inner.data.get("amount") for inner in table.inners("share") or ()]
        whole, shares = table.data.get("amount"), sum(amount for amount in amounts if isinstance(amount, int))
        if isinstance(whole, int) and shares > whole:
            table.report(f"is less than the shares make together, {shares}.", "amount")

    def _pages(self, folder: str, kind: Kind, then: Callable[[Row, Table], None] | None = None) -> None:
        """Plan the things of a folder of Markdown files; the name of a file is the slug."""
        for slug, languages in self._translated(folder, self._names(folder)).items():
            row = self._thing(kind, slug, languages)
            if then and (source := languages[ENGLISH]):
                then(row, source.table)

    def _thing(self, kind: Kind, slug: str, languages: dict[str, Source | None]) -> Row:
        tables = {language: source.name_body(kind.body) for language, source in languages.items() if source}
        instance = self._stored(kind, slug)
        if english := tables.pop(ENGLISH, None):
            row = self._row(kind, english, instance, tables)
            self._refer_all(row, english)
            self.rows.append(row)
        else:
            row = Row(kind, instance)
        self.things[kind.model, slug] = row
        return row

    def _list(self, name: str, key: str, kind: Kind, then: Callable[[Row, Table], None] | None = None) -> None:
        """Plan the things of a file that is a list."""
        if not (self.folder / name).exists() or not (source := self._read(name)):
            return
        check_keys(source.table, (key,))
        lines: dict[str, int] = {}
        for table in source.table.inners(key) or ():
            slug = table.data["slug"].strip() if isinstance(table.data.get("slug"), str) else ""
            if slug in lines:
                table.report(f'"{slug}" is taken already, in line {lines[slug]}.', "slug")
            row = self._row(kind, table, self._stored(kind, slug))
            self._refer_all(row, table)
            self.rows.append(row)
            if slug:
                lines.setdefault(slug, table.line("slug"))
                self.things[kind.model, slug] = row
            if then:
                then(row, table)

    @staticmethod
    def _stored(kind: Kind, slug: str) -> Any:
        return kind.model._default_manager.filter(slug=slug).first() or kind.model(slug=slug)

    def _activist(self, activist: Row, table: Table) -> None:
        if "aliases" in table.data:
            names = self._kept(ALIAS, activist)
            for index, name in table.texts("aliases").items():
                row = self._child(ALIAS, activist, names.pop((name,), None))
                row.instance.name = name
                validate(row.instance, table, {"name": ("aliases", index)})
            self._drop(ALIAS, names)
        self._children(CHARGE, table, "charge", activist)
        self._children(CUSTODY, table, "custody", activist)
        self._times_in_custody(activist, table)
        if activist.instance.remembered:
            for key in ("charge", "custody"):
                if table.data.get(key):
                    table.report("expects none: this person is remembered, and a memory is no case.", key)

    def _times_in_custody(self, activist: Row, table: Table) -> None:
        """Look at what the model cannot see before its rows are written: a person is in custody once at a time."""
        times = [row for row in self.rows if row.kind is CUSTODY and row.refers["activist"] is activist]
        still_held = [row for row in times if row.instance.ended_on is None]
        for row in still_held[1:]:
            message = "has no ended_on, as another one before it: a person is in custody once at a time."
            table.report(message, "custody", times.index(row))
        # The database holds the same: what has ended is written first.
        self.rows = [row for row in self.rows if row not in still_held] + still_held

    def _update(self, update: Row, table: Table) -> None:
        if "activists" in table.data:
            slugs = table.texts("activists").items()
            found = [self._refer(table, Activist, slug, "activists", index) for index, slug in slugs]
            update.many["activists"] = [row for row in found if row]
        self._children(COMMENT, table, "comment", update)

    def _picket(self, picket: Row, table: Table) -> None:
        self._children(REPORT, table, "report", picket)

    def _target(self, target: Row, table: Table) -> None:
        email = target.instance.email.lower()
        for (model, slug), other in self.things.items():
            if model is Target and other is not target and email and other.instance.email.lower() == email:
                table.report(f'"{email}" is the address of the target {slug} already; each has its own.', "email")
        if not {*TARGET.others} & {*table.data}:
            return
        stored, taken = self._kept(TARGET_COUNTRY, target), set()
        for how in TARGET.others:
            for index, code in table.texts(how).items():
                try:
                    if country(code) in taken:
                        raise ValidationError(f"{code} is in the list of seats already.")
                except ValidationError as error:
                    table.report(str(error.message), how, index)
                    continue
                taken.add(code)
                row = self._child(TARGET_COUNTRY, target, stored.pop((code,), None))
                row.instance.country, row.instance.kind = code, how
        self._drop(TARGET_COUNTRY, stored)

    def _letter(self, letter: Row, table: Table) -> None:
        stored, taken = self._kept(ADDRESSEE, letter), set()
        for rule in LETTER.others:
            for index, slug in table.texts(rule).items():
                if slug in taken:
                    table.report(f'"{slug}" is an addressee already; a target gets the letter once.', rule, index)
                elif target := self._refer(table, Target, slug, rule, index):
                    row = self._child(ADDRESSEE, letter, stored.pop((target.instance.pk,), None))
                    row.refers["target"] = target
                    row.instance.rule = rule
                taken.add(slug)
        self._drop(ADDRESSEE, stored)
        named = [rule for rule in LETTER.others if table.data.get(rule)]
        if not named:
            table.report(f"has no addressee: it expects a list of targets in one of {', '.join(LETTER.others)}.")
        elif named == [Addressee.Rule.OWN_COUNTRY]:
            message = "expects fallback or everybody beside it, else the letter of a supporter elsewhere goes nowhere."
            table.report(message, "own_country")

    def _fund(self, fund: Row, table: Table) -> None:
        if account := table.inner("account"):
            row = row_of(ACCOUNT, account, self._account_of_files(fund, account) or BankAccount())
            if account.data.get("payable") not in {None, False}:
                account.report(
                    "expects false: two organisers propose and approve in the admin what donors may pay to.", "payable"
                )
            row.refers["fund"] = fund
            self.rows.append(row)
        self._gifts(fund, table)

    @staticmethod
    def _account_of_files(fund: Row, account: Table) -> BankAccount | None:
        """Return the account of the files that is there already. Another holder or IBAN is another account."""
        holder, iban, bic = (str(account.data.get(name, "")) for name in ACCOUNT.columns)
        newest = None if fund.is_new else BankAccount.objects.filter(fund=fund.instance, proposed_by=None).first()
        same = (holder.strip(), "".join(iban.split()).upper(), "".join(bic.split()).upper())
        return newest if newest and same == (newest.holder, newest.iban, newest.bic) else None

    def _gifts(self, fund: Row, table: Table) -> None:
        """
        Plan the gifts that are not booked yet.

        What is booked is never changed. Each booked gift stands for one gift of the file with the same day, amount
        and description; two like ones in the file are two gifts.
        """
        booked: list[Transaction] = []
        if not fund.is_new:
            Fund.objects.select_for_update().get(pk=fund.instance.pk)  # two loads at once: the second one waits
            booked = list(Transaction.objects.filter(fund=fund.instance, amount_minor__gt=0).select_related("reversal"))
        missing = []
        for inner in table.inners("transaction") or ():
            row = row_of(TRANSACTION, inner, Transaction(amount_minor=self._amount(inner)))
            row.refers["fund"] = fund
            gift = row.instance
            if old := next((old for old in booked if _key(old) == _key(gift)), None):
                booked.remove(old)
                self.rows.append(Row(TRANSACTION, old))
            else:
                missing.append((inner, row))
        for inner, row in missing:
            standing = (old for old in booked if not hasattr(old, "reversal"))
            if old := next((old for old in standing if _key(old)[:3] == _key(row.instance)[:3]), None):
                inner.report(
                    f'the same amount of the same day is booked already, as "{old.description}", and what is booked is '
                    "never changed. Write that description here; or reverse the booked gift in the admin; or, if there "
                    "were two gifts, record the second one in the admin."
                )
            self.rows.append(row)

    @staticmethod
    def _amount(table: Table) -> int:
        """Return the amount in the currency's smallest unit."""
        value, currency = table.data.get("amount"), table.data.get("currency")
        way = ("amount",) if "amount" in table.data else ()
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            found = f"; found {described(value)}" if way else ", which is missing"
            table.report(f"expects an amount such as 1500 or 1500.50{found}.", *way)
            return 1
        digits = money.exponent(currency) if isinstance(currency, str) else 2
        known = Decimal(value).is_finite() and 0 < value <= money.MAXIMUM  # else it may be too long to count with
        minor = Decimal(value).scaleb(digits) if known else Decimal(0)
        if not minor or minor % 1:
            table.report(
                f"expects an amount above 0 and up to {money.MAXIMUM}, with no more than {digits} decimals.", "amount"
            )
            return 1
        return int(minor)

    # --- Lists that belong to a thing: the file is the truth, rows that it does not have go

    def _children(self, kind: Kind, table: Table, key: str, parent: Row) -> None:
        """Plan the rows of the list [[key]]; a list that is not there is left alone."""
        tables = table.inners(key)
        if tables is None:
            return
        stored = self._kept(kind, parent)
        lines: dict[tuple[Any, ...], int] = {}
        for number, inner in enumerate(tables, 1):
            identity = tuple(_settled(inner.data.get(name)) for name in kind.known_by)
            if identity in lines:
                inner.report(f"has the same {' and '.join(kind.known_by)} as the one in line {lines[identity]}.")
            lines.setdefault(identity, inner.line())
            given: dict[str, Any] = {"position": number} if hasattr(kind.model, "position") else {}
            row = self._row(kind, inner, stored.pop(identity, None) or kind.model(), **given)
            row.refers[kind.belongs_to] = parent
            self.rows.append(row)
            if kind is CHARGE:
                self._children(STEP, inner, "step", row)
            if kind is REPORT and "pictures" in inner.data:
                names = inner.texts("pictures").items()
                found = [self._refer(inner, Picture, name, "pictures", index) for index, name in names]
                row.many["pictures"] = [picture for picture in found if picture]
        self._drop(kind, stored)

    def _child(self, kind: Kind, parent: Row, stored: models.Model | None) -> Row:
        row = Row(kind, stored or kind.model())
        row.refers[kind.belongs_to] = parent
        self.rows.append(row)
        return row

    @staticmethod
    def _kept(kind: Kind, parent: Row) -> dict[tuple[Any, ...], models.Model]:
        """Return the rows of the list that are in the database, by what they are known by."""
        if parent.is_new:
            return {}
        rows = kind.model._default_manager.filter(**{kind.belongs_to: parent.instance})
        return {tuple(_known(row, name) for name in kind.known_by): row for row in rows}

    def _drop(self, kind: Kind, rows: dict[tuple[Any, ...], models.Model]) -> None:
        """Let these go, but for what visitors sent in: most of it stands in no folder."""
        rows_of_ours = (row for row in rows.values() if not (isinstance(row, Submitted) and row.submitted_at))
        self.gone += [(kind, row) for row in rows_of_ours]

    # --- References

    def _refer_all(self, row: Row, table: Table) -> None:
        for name in row.kind.refers:
            column: Any = row.kind.model._meta.get_field(name)
            slug = table.data.get(name)
            if isinstance(slug, str):
                if thing := self._refer(table, column.related_model, slug.strip(), name):
                    row.refers[name] = thing
            elif name in table.data:
                table.report(f"expects the slug of a {column.verbose_name}, in quotes; found {described(slug)}.", name)
            elif not column.null:
                table.report(f"{name} is missing: it expects the slug of a {column.verbose_name}.")

    def _refer(self, table: Table, model: Any, slug: str, *way: str | int) -> Row | None:
        """Return the thing with this slug, from the folder or the database; note when there is none."""
        if row := self.things.get((model, slug)):
            return row
        rows = model._default_manager
        instance = rows.by_name([slug]).get(slug) if model is Picture else rows.filter(slug=slug).first()
        if instance:
            return self.things.setdefault((model, slug), Row(Kind(model), instance))
        near = did_you_mean(slug, [other for kind, other in self.things if kind is model])
        table.report(f'there is no {model._meta.verbose_name} "{slug}"{near}', *way)
        return None


def _settled(value: Any) -> Any:
    """Return a value of a file, or of the database, as both can be compared."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip() or None
    if isinstance(value, datetime):
        return value if timezone.is_aware(value) else timezone.make_aware(value)
    return str(value) if isinstance(value, list | dict) else value


def _known(instance: Any, name: str) -> Any:
    """Return a column of a row of a list, or its text in English or else in the language that it has."""
    if isinstance(instance, TranslatableModel) and name in instance._parler_meta.get_translated_fields():
        texts = {text.language_code: text for text in instance._parler_meta.root_model.objects.filter(master=instance)}
        code = next((code for code in (ENGLISH, *OTHER_LANGUAGES) if code in texts), min(texts, default=""))
        return _settled(getattr(texts.get(code), name, None))
    return _settled(getattr(instance, name))


def _key(gift: Transaction) -> tuple[Any, ...]:
    """Return what makes two recorded gifts the same one."""
    return gift.booked_on, gift.amount_minor, gift.currency, gift.description
