"""What goes out of the letters' desk as a table."""

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaign.countries import country_name
from campaign.exporting import Export
from privacy.showing import shown
from protests.models import Letter, Signature, Target, TargetCountry

LANGUAGES = [code for code, _name in settings.LANGUAGES]
FIRST = settings.PARLER_DEFAULT_LANGUAGE_CODE


def column(name: str, language: str) -> str:
    """Return the heading of a text in a language: salutation, salutation_de."""
    return name if language == FIRST else f"{name}_{language}"


def _countries(target: Target, kind: str) -> str:
    return " ".join(there.country for there in target.countries.all() if there.kind == kind)


def _salutation(language: str) -> Callable[[Target], Any]:
    def salutation(target: Target) -> Any:
        there = target.has_translation(language)
        return target.safe_translation_getter("salutation", "", language_code=language) if there else ""

    return salutation


def _time(moment: Any) -> str:
    return moment.strftime("%H:%M") if moment else ""


# The same columns as protests.importing reads.
TARGETS = Export(
    "targets",
    _("Targets, as the import reads them"),
    {
        "slug": lambda target: target.slug,
        "name": lambda target: target.name,
        "email": lambda target: target.email,
        **{column("salutation", code): _salutation(code) for code in LANGUAGES},
        TargetCountry.Kind.SEAT.value: lambda target: _countries(target, TargetCountry.Kind.SEAT),
        TargetCountry.Kind.ACCREDITED.value: lambda target: _countries(target, TargetCountry.Kind.ACCREDITED),
        "daily_cap": lambda target: target.daily_cap or 0,
        "spacing_seconds": lambda target: target.spacing_seconds,
        "opens_at": lambda target: _time(target.opens_at),
        "closes_at": lambda target: _time(target.closes_at),
        "time_zone": lambda target: target.time_zone,
    },
    chosen=lambda rows: rows.prefetch_related("translations", "countries"),
)

PICKETS = Export(
    "pickets",
    _("Pickets"),
    {
        "slug": lambda picket: picket.slug,
        "strike": lambda picket: picket.strike.slug,
        "kind": lambda picket: picket.kind,
        "country": lambda picket: picket.country,
        "country_name": lambda picket: country_name(picket.country),
        "place": lambda picket: picket.safe_translation_getter("place", "", any_language=True),
        "starts_at": lambda picket: picket.starts_at,
        "date_text": lambda picket: picket.safe_translation_getter("date_text", "", any_language=True),
        "text": lambda picket: picket.safe_translation_getter("text", "", any_language=True),
        "published_at": lambda picket: picket.published_at,
    },
    chosen=lambda rows: rows.select_related("strike").prefetch_related("translations"),
)


def _by_country(signatures: QuerySet[Signature]) -> Iterator[tuple[str, str, int]]:
    """Yield letter, country and how many signed, as two keys and a number."""
    slugs = dict(Letter.objects.values_list("pk", "slug"))
    counts = signatures.order_by().values_list("letter", "country").annotate(Count("pk"))
    for letter, country, count in sorted(counts, key=lambda row: (slugs[row[0]], row[1])):
        yield slugs[letter], country, count


def _counted(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.counted()  # type: ignore[attr-defined]


SIGNATURE_COUNTS = Export(
    "signatures-by-country",
    _("How many signed, by letter and country: no personal data"),
    {
        "letter": lambda row: row[0],
        "country": lambda row: row[1],
        "country_name": lambda row: country_name(row[1]),
        "signatures": lambda row: row[2],
    },
    chosen=lambda rows: _counted(rows).prefetch_related(None).select_related(None),
    rows=_by_country,
)
# A name as its owner chose to be shown. What was typed for the letter alone (address, own words) goes nowhere else.
SIGNATURES = Export(
    "signatures",
    _("One line for each signature, with the name as its owner chose to be shown"),
    {
        "number": lambda signature: signature.pk,
        "letter": lambda signature: signature.letter.slug,
        "signed_on": lambda signature: timezone.localdate(signature.confirmed_at),
        "country": lambda signature: signature.country,
        "country_name": lambda signature: country_name(signature.country),
        "language": lambda signature: signature.locale,
        "shown": lambda signature: signature.display,
        "name": lambda signature: shown(signature.name, signature.display),
        "organisation": lambda signature: shown(
            signature.organisation, signature.display if signature.display == Signature.Display.PUBLIC else ""
        ),
    },
    personal=_("Names and organisations of those who chose to be shown with them; initials of those who chose these."),
    chosen=lambda rows: _counted(rows).defer("email", "own_words").prefetch_related("letter"),
)
