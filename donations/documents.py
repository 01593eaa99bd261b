"""
What is printed, one page each: a meeting's resolution, a standing order, a receipt, an appeal to unions, a collection
sheet.

A Sheet is what the page for printing (templates/donations/sheet.html) and the PDF (documents.typ) both show.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from campaign import printing
from campaign.models import Campaign, Document, Strike
from campaign.typesetting import short, typeset, typeset_once
from donations import accounts, instalments, money
from donations.instructions import Instructions, of_appeal
from donations.models import Allocation, CollectionSheet, Fund, LedgerEvent, Pledge, Transaction

_PROGRAM = Path(__file__).with_name("documents.typ")
_COLLECTION = Path(__file__).with_name("collection.typ")
# Lines for gifts on a collection sheet, if what stands above them is short.
ENTRIES = 20
Row = tuple[str, str]
NO_ACCOUNT = gettext_lazy("Please send no money now: this fund has no account that is open for payments.")


@dataclass(frozen=True)
class Part:
    """One kind of content: a paragraph, steps, rows of facts with perhaps a code beside them, or lines to fill in."""

    text: str = ""
    steps: tuple[str, ...] = ()
    facts: tuple[Row, ...] = ()
    qr: str = ""
    lines: tuple[str, ...] = ()
    is_strong: bool = False


@dataclass(frozen=True)
class Sheet:
    """A page to print. `name` is the file's, `letterhead` stands above the title."""

    name: str
    letterhead: str
    title: str
    parts: tuple[Part, ...]


def pdf(sheet: Sheet) -> bytes:
    """Return a sheet as a PDF of one page. Raises TypesettingError."""
    return typeset(_PROGRAM, _document(sheet))


def public_pdf(sheet: Sheet) -> bytes:
    """Return a PDF that anybody may ask for, and that is therefore not set anew each time. Raises TypesettingError."""
    return typeset_once(_PROGRAM, _document(sheet))


def _document(sheet: Sheet) -> dict[str, Any]:
    return {
        "language": short(get_language() or "en"),
        "letterhead": sheet.letterhead,
        "title": sheet.title,
        "parts": [vars(part) for part in sheet.parts],
    }


def papers(made: Pledge, told: Instructions | None) -> dict[str, Sheet]:
    """Return the papers to a pledge that its giver may print, by name; none if nothing is to be paid."""
    if told is None or made.withdrawn_at or made.has_ended or not made.name:
        return {}
    makers: list[Callable[[Pledge, Instructions], Sheet]] = []
    if made.kind != Pledge.Kind.PERSON:
        makers.append(_resolution)
    if made.frequency == Pledge.Frequency.MONTHLY:
        makers.append(_standing_order)
    return {sheet.name: sheet for sheet in (make(made, told) for make in makers)}


def _resolution(made: Pledge, told: Instructions) -> Sheet:
    """A meeting's resolution to give, to be voted on and signed."""
    values = {"amount": money.format_amount(made.amount_minor, made.currency), "fund": str(made.fund)}
    if made.frequency == Pledge.Frequency.ONCE:
        gives = _("To give %(amount)s to the fund “%(fund)s”.") % values
    elif made.until:
        gives = _("To give %(amount)s every month to the fund “%(fund)s”, until %(until)s.") % (
            values | {"until": date_format(made.until)}
        )
    else:
        gives = _("To give %(amount)s every month to the fund “%(fund)s”, until it resolves otherwise.") % values
    shown = {
        Pledge.Display.PUBLIC: _("That the campaign may show our name among the supporters."),
        Pledge.Display.INITIALS: _("That the campaign may show our initials among the supporters."),
        Pledge.Display.ANONYMOUS: _("That the campaign is not to show our name."),
    }[Pledge.Display(made.display)]
    pays = _("To ask the treasurer to pay it to this account, with the reference.")
    return Sheet(
        name="resolution",
        letterhead=made.organisation,
        title=_("Resolution"),
        parts=(
            Part(lines=(_("Meeting of (date)"), _("in (place)"))),
            Part(text=_("The meeting resolves:")),
            Part(steps=(gives, shown, pays)),
            Part(facts=_account(told)),
            Part(
                lines=(
                    _("For, against, abstentions"),
                    _("Chair (name and signature)"),
                    _("Secretary (name and signature)"),
                )
            ),
        ),
    )


def _standing_order(made: Pledge, told: Instructions) -> Sheet:
    """A bank's standing order, filled in as far as we know."""
    payer = made.name if made.kind == Pledge.Kind.PERSON else made.organisation
    following = instalments.following(made, timezone.localdate())
    last = list(instalments.dates(made))[-1:] if made.until else []
    order: tuple[Row, ...] = (
        (_("Amount"), money.format_amount(made.amount_minor, made.currency)),
        (_("How often"), _("every month")),
        (_("First payment"), date_format(following) if following else "—"),
        (_("Last payment"), date_format(last[0]) if last else _("until we end it")),
    )
    return Sheet(
        name="standing-order",
        letterhead=payer,
        title=_("Standing order"),
        parts=(
            Part(text=_("To our bank: please pay from our account, every month, as follows.")),
            Part(lines=(_("IBAN of our account"),)),
            Part(facts=order + _account(told)),
            Part(text=_how_to_copy()),
            Part(lines=(_("Place and date"), _("Signature"), _("Second signature, if the account needs two"))),
        ),
    )


def receipts(made: Pledge) -> dict[str, Sheet]:
    """Return a receipt for each gift that arrived on a pledge, newest first; none once its giver is deleted."""
    if made.withdrawn_at or not made.name:
        return {}
    said = Allocation.objects.filter(pledge=made, kind=Allocation.Kind.PLEDGE).order_by(
        "-transaction__booked_on", "-pk"
    )
    gifts: dict[Transaction, list[Allocation]] = {}
    for one in said.select_related("transaction", "reversal"):
        if one.reverses_id is None and not hasattr(one, "reversal"):
            gifts.setdefault(one.transaction, []).append(one)
    entries = dict(
        LedgerEvent.objects.filter(
            kind=LedgerEvent.Kind.ALLOCATION_MADE, about__in=[one.pk for gift in gifts.values() for one in gift]
        ).values_list("about", "sequence")
    )
    sheets = [_receipt(made, gift, parts, [entries[one.pk] for one in parts]) for gift, parts in gifts.items()]
    return {sheet.name: sheet for sheet in sheets}


def _receipt(made: Pledge, gift: Transaction, parts: list[Allocation], entries: list[int]) -> Sheet:
    campaign = Campaign.objects.first()
    amount = money.format_amount(sum(one.amount_minor for one in parts), made.currency)
    giver = made.name if made.kind == Pledge.Kind.PERSON else f"{made.organisation} ({made.name})"
    facts: tuple[Row, ...] = (
        (_("From"), giver),
        (_("Amount"), amount),
        (_("Arrived"), date_format(gift.booked_on)),
        (_("For the fund"), str(made.fund)),
        (_("Pledge number"), made.number),
        (_("Entry in the public ledger"), ", ".join(str(entry) for entry in entries)),
    )
    return Sheet(
        name=f"receipt-{gift.pk}",
        letterhead=str(campaign or _("Solidarity")),
        title=_("Receipt for %(amount)s of %(day)s") % {"amount": amount, "day": date_format(gift.booked_on)},
        parts=(
            Part(text=_("This gift has arrived, and is in our books.")),
            Part(facts=facts),
            Part(
                text=_("Anybody can look the entry up, and check that it was never changed: %(address)s")
                % {"address": settings.BASE_URL + reverse("donations:ledger")}
            ),
            Part(
                text=_(
                    "Whether a gift lowers your taxes depends on where you live; this paper does not say that it does."
                )
            ),
            Part(text=_("Thank you.") + "\n" + str(campaign or _("Solidarity"))),
        ),
    )


def appeal(fund: Fund) -> Sheet:
    """An appeal to unions, in the language that is active."""
    campaign = Campaign.objects.first()
    told = of_appeal(fund)
    name = str(campaign or _("Solidarity"))
    pledging = settings.BASE_URL + reverse("donations:pledge")
    steps = [
        _("Put the fund on the agenda of your next meeting, and resolve on a gift: once, or every month."),
        _(
            "Pledge it at %(address)s. There you get a reference of your own, and a resolution and a standing order to "
            "print."
        )
        % {"address": pledging},
    ]
    paying: tuple[Part, ...]
    if told:
        steps.append(_("Or transfer what you have collected to the account below, with the reference below."))
        paying = (
            Part(facts=_account(told), qr=told.qr),
            Part(text=_how_to_copy()),
        )
    else:
        paying = (Part(text=str(NO_ACCOUNT), is_strong=True),)
    answer = (
        _("Tell us what you decide: %(address)s") % {"address": campaign.contact_email}
        if (campaign and campaign.contact_email)
        else ""
    )
    return Sheet(
        name="appeal",
        letterhead=name,
        title=str(fund),
        parts=(
            Part(text=_("To unions, their branches and other organisations")),
            Part(text=_("Dear friends,")),
            Part(text=fund.strike.safe_translation_getter("summary", any_language=True) or ""),
            Part(
                text=_("A strike costs the strikers their wages. We ask you to support the fund “%(fund)s”:")
                % {"fund": fund}
            ),
            Part(steps=tuple(steps)),
            *paying,
            Part(text=answer),
            Part(text=_("With solidarity,") + "\n" + name),
        ),
    )


@dataclass(frozen=True)
class Giving:
    """How to give to a fund, below a document that asks for it. Without `told` nothing is to be paid."""

    fund: Fund
    told: Instructions | None

    @property
    def facts(self) -> tuple[Row, ...]:
        return _account(self.told) if self.told else ()

    @property
    def how(self) -> str:
        return _how_to_copy() if self.told else str(NO_ACCOUNT)

    @property
    def qr(self) -> str:
        return self.told.qr if self.told else ""


def giving_to(strike: Strike | None) -> Giving | None:
    """Return how to give to a strike's fund, or to the newest where the strike has none; None if there is no fund."""
    funds = Fund.objects.published().prefetch_related("translations")
    fund = (funds.filter(strike=strike).first() if strike else None) or funds.first()
    return Giving(fund, of_appeal(fund)) if fund else None


def printed(document: Document) -> bytes:
    """Return a document to hand on as a PDF, with the fund's account where it shows it. Raises TypesettingError."""
    giving = giving_to(document.strike) if document.shows_account else None
    below = None
    if giving:
        below = {"title": str(giving.fund), "facts": giving.facts, "qr": giving.qr, "how": giving.how}
    return printing.pdf(document, below)


def _account(told: Instructions) -> tuple[Row, ...]:
    rows = [
        (_("Payee"), told.holder),
        ("IBAN", told.grouped_iban),
        ("BIC", told.bic),
        (_("Reference in Belgium (OGM)"), told.ogm),
        (_("Reference elsewhere (RF)"), told.rf),
    ]
    return tuple(row for row in rows if row[1])


def _how_to_copy() -> str:
    return _("Copy the holder's name letter for letter: banks compare it. One of the two references is enough.")


def collection(sheets: Sequence[CollectionSheet]) -> bytes:
    """Return sheets for a collection in cash as one PDF, a page each, to be filled in. Raises TypesettingError."""
    campaign = Campaign.objects.first()
    return typeset(
        _COLLECTION,
        {
            "language": short(get_language() or "en"),
            "letterhead": str(campaign or _("Solidarity")),
            "title": _("Collection sheet"),
            "entries": ENTRIES,
            "labels": {
                "columns": [_("No."), _("Name or initials, if you like"), _("Workplace or place"), _("Amount")],
                "total": _("Total"),
                "signature": _("Signature"),
                "counted": _("Counted, and date"),
                "first": _("First counter (name)"),
                "second": _("Second counter (name)"),
                "how": _(
                    "Two people count the money together and sign. Each of them then types the amount at the site, and "
                    "one adds a photo of this sheet. Unused sheets come back too: every number is accounted for."
                ),
            },
            "sheets": [
                {
                    "number": _("No. %(number)d") % {"number": sheet.number},
                    "facts": _facts_of_a_collection(sheet),
                }
                for sheet in sheets
            ],
        },
    )


def _facts_of_a_collection(sheet: CollectionSheet) -> list[Row]:
    """What stands above the lines; an empty value is a line to fill in."""
    account = accounts.payable(sheet.fund)
    where = (
        f"{account.holder}, {account.grouped_iban}"
        if account
        else _("The fund has no account now that is open for payments. Keep the cash, and ask the organisers.")
    )
    rows = [(_("Collected for"), str(sheet.fund)), (_("To be paid in to"), where)]
    if account:
        words = _("Collection sheet %(number)d") % {"number": sheet.number}
        rows += [
            (_("With the words"), words),
            (_("Compare the account at"), settings.BASE_URL + reverse("donations:account")),
        ]
    return [
        *rows,
        (_("Currency"), sheet.currency),
        (_("Place"), sheet.place),
        (_("Date"), date_format(sheet.held_on) if sheet.held_on else ""),
    ]
