"""Who gets a letter: everybody's addressees, and those of the supporter's own country."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, FilteredRelation, Q

from campaign.countries import country_name
from protests.models import Addressee, Letter, Target, TargetCountry

Rule, Kind = Addressee.Rule, TargetCountry.Kind


@dataclass(frozen=True)
class Overview:
    """Who gets a letter from where: (country's name, its code, targets) by name; and the targets of all others."""

    countries: list[tuple[str, str, list[Target]]]
    elsewhere: list[Target]


def _chosen(rows: Iterable[tuple[str, str | None, Target]]) -> list[Target]:
    """
    Choose among (rule, how the target stands to the country, target).

    Everybody's targets; with them the one that has its seat in the country, else the one accredited there, else the
    letter's fallback.
    """
    everybody, seat, accredited, fallback = [], [], [], []
    for rule, kind, target in rows:
        if rule == Rule.EVERYBODY:
            everybody.append(target)
        elif rule == Rule.FALLBACK:
            fallback.append(target)
        elif kind == Kind.SEAT:
            seat.append(target)
        elif kind == Kind.ACCREDITED:
            accredited.append(target)
    return everybody + (seat or accredited or fallback)


def recipients(letter: Letter, country: str) -> list[Target]:
    """Return who gets the letter of a supporter in `country`. If that is nobody, it cannot be signed from there."""
    addressees = (
        Addressee.objects.filter(letter=letter)
        .annotate(
            here=FilteredRelation("target__countries", condition=Q(target__countries__country=country)),
            kind=F("here__kind"),
        )
        .filter(~Q(rule=Rule.OWN_COUNTRY) | Q(here__isnull=False))
        .select_related("target")
        .prefetch_related("target__translations")
        .order_by("target__name", "target_id")
    )
    return _chosen((addressee.rule, addressee.kind, addressee.target) for addressee in addressees)


def known_recipients(letter: Letter, country: str) -> list[Target]:
    """Return what `recipients` does, looked up once for a letter that was read."""
    known: dict[str, list[Target]] = letter.__dict__.setdefault("_recipients", {})
    if country not in known:
        known[country] = recipients(letter, country)
    return known[country]


def is_sent_from(letter: Letter, country: str) -> bool:
    """Whether anybody gets the letter of a supporter in `country`; looked up once for a letter that was read."""
    return bool(known_recipients(letter, country))


def overview(letter: Letter) -> Overview:
    """Return who gets the letter from each country that has an addressee of its own, and from all others."""
    addressees = (
        letter.addressees.select_related("target")
        .prefetch_related("target__countries")
        .order_by("target__name", "target_id")
    )
    common = []
    own = defaultdict(list)
    for addressee in addressees:
        if addressee.rule != Rule.OWN_COUNTRY:
            common.append((addressee.rule, None, addressee.target))
            continue
        for there in addressee.target.countries.all():
            own[there.country].append((addressee.rule, there.kind, addressee.target))
    countries = [(country_name(code), code, _chosen([*common, *rows])) for code, rows in own.items()]
    return Overview(sorted(countries, key=lambda row: row[0].casefold()), _chosen(common))
