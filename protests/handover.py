"""Letters on paper, to hand over at an office's door: a PDF, or a ZIP of several where the letters are many."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from django.db.models import Count, QuerySet, TextChoices
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, ngettext, override
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from campaign.countries import country_name
from campaign.streaming import Taken
from campaign.typesetting import short, typeset
from outbox.models import State
from protests import consent
from protests.emails import paper
from protests.models import Delivery, Letter, Target

# Letters in one PDF. The typesetter holds one PDF in memory as a whole: about half a megabyte for each letter.
PART = 200
_PROGRAM = Path(__file__).with_name("handover.typ")


class Which(TextChoices):
    ALL = "all", _lazy("all")
    NOT_ACCEPTED = "not_accepted", _lazy("only those that the addressee's server has not accepted by e-mail")


@dataclass(frozen=True)
class Bundle:
    """A file to download, made while it is read; `count` is how many letters are in it."""

    count: int
    filename: str
    content_type: str
    chunks: Iterator[bytes]


def deliveries(letter: Letter, target: Target, which: str) -> QuerySet[Delivery]:
    """
    Return the letters to `target` that may be handed over: of signatures that count.

    Without those of people who agreed to e-mail alone, or whose data is past its date and has been deleted.
    """
    found = Delivery.objects.filter(
        target=target,
        signature__letter=letter,
        signature__confirmed_at__isnull=False,
        signature__withdrawn_at=None,
        signature__consent_version__in=consent.ON_PAPER,
    ).exclude(signature__name="")
    if which == Which.NOT_ACCEPTED:
        found = found.exclude(state=State.ACCEPTED)
    return found.order_by("pk")


def bundle(letter: Letter, target: Target, which: str) -> Bundle:
    """Return the letters to `target` with a cover sheet, each on a page of its own. Nothing touches the disk."""
    chosen = deliveries(letter, target, which)
    pks = array("q", chosen.values_list("pk", flat=True).iterator())
    countries = list(chosen.order_by().values_list("signature__country").annotate(Count("pk")))
    name = f"{letter.slug}-{target.slug}"
    parts = _parts(_cover(letter, target, len(pks), countries), pks)
    if len(pks) <= PART:
        return Bundle(len(pks), f"{name}.pdf", "application/pdf", iter([pdf for _number, pdf in parts]))
    named = ((f"{name}-{number:03}.pdf", pdf) for number, pdf in parts)
    return Bundle(len(pks), f"{name}.zip", "application/zip", _zipped(named))


def _cover(letter: Letter, target: Target, count: int, countries: list[tuple[str, int]]) -> dict[str, Any]:
    signed = letter.signatures.counted().count()
    by_country = sorted(((country_name(code), number) for code, number in countries), key=lambda row: row[0].casefold())
    return {
        "target": target.name,
        "title": str(letter),
        "count": ngettext("%(count)d letter", "%(count)d letters", count) % {"count": count},
        "signed": ngettext(
            "In all, %(signed)d person has signed this letter.",
            "In all, %(signed)d people have signed this letter.",
            signed,
        )
        % {"signed": signed},
        "date": date_format(timezone.localdate()),
        "countries": [[name, str(number)] for name, number in by_country],
    }


def _parts(cover: dict[str, Any], pks: "array[int]") -> Iterator[tuple[int, bytes]]:
    """Yield numbered PDFs of at most PART letters, the cover sheet in the first."""
    language = get_language() or "en"
    for number, start in enumerate(range(0, len(pks), PART), 1):
        chosen = pks[start : start + PART].tolist()
        # The reader of the last part may be another request by now, with another language.
        with override(language):
            pdf = typeset(
                _PROGRAM,
                {
                    "language": short(language),
                    "cover": cover if number == 1 else None,
                    "title": f"{cover['title']}: {cover['target']}",
                    "page": _("Page {number} of {total}"),
                    "letters": list(_letters(chosen, start, len(pks))),
                },
            )
        yield number, pdf


def _letters(pks: list[int], start: int, total: int) -> Iterator[dict[str, Any]]:
    rows = Delivery.for_composing().filter(pk__in=pks).exclude(signature__name="").order_by("pk")
    for number, delivery in enumerate(rows, start + 1):
        signature = delivery.signature
        sheet = paper(signature, delivery.target)
        signed = date_format(timezone.localdate(signature.confirmed_at))
        lines = [
            (_("Signed by"), sheet.from_name),
            (_("Organisation"), signature.organisation),
            (_("Country"), country_name(signature.country)),
            (_("Confirmed on"), signed),
        ]
        yield {
            "language": short(signature.text.language),
            "number": _("Letter {number} of {total}").format(number=number, total=total),
            "to": sheet.target.name,
            "subject": sheet.subject,
            "body": sheet.body.rstrip(),
            "signed": [line for line in lines if line[1]],
        }


def _zipped(files: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield a ZIP of `files` while it grows, holding one file at a time."""
    out = Taken()
    with ZipFile(out, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
            yield out.take()
    yield out.take()
