"""
Suggesting what a bank's line may be for, best guess first, each with its reasons: for a person who decides.

Everything for a page of lines is read in a fixed number of queries, however many lines and pledges there are. Names are
encrypted, so that the database cannot search them: they are compared for pledges that were found otherwise, for those
of just this amount, and for the newest ones.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

from django.db.models import Count, F, OuterRef, Prefetch, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from donations import misreading, money
from donations.models import Allocation, BankAccount, CollectionSheet, Disbursement, Pledge, PledgeQuerySet, Transaction
from donations.posting import APPROVALS_NEEDED
from donations.reconciling import Part
from privacy.fields import Unreadable

Kind = Allocation.Kind

SHOWN = 4
_NEWEST = 300
_OF_AN_AMOUNT = 300
_EARLIER = 500
# A pledge is usually paid within so many days.
_SOON = 45
# What speaks for a pledge, and how much. Below the last one it is not worth a person's time.
_REFERENCE, _NEARLY, _SEEN, _NAME, _PART_OF_NAME, _AMOUNT, _DATE = 100, 60, 50, 40, 15, 20, 5
_WORTH_SHOWING = 30
# Beside a good guess, what speaks for another one must be at least this part of it.
_BESIDE = 1 / 3
# What banks call their own charges.
_FEE_WORDS = ("fee", "charge", "kosten", "frais", "gebühr", "entgelt", "avgift", "prowizj", "commission", "комисси")


@dataclass
class Suggestion:
    """What a line may be for, and why."""

    parts: tuple[Part, ...]
    score: int
    reasons: list[str] = field(default_factory=list)
    # What a person should know before accepting.
    cautions: list[str] = field(default_factory=list)


@dataclass
class _Known:
    """What was read for a page of lines."""

    by_number: dict[str, list[Pledge]]
    by_iban: dict[str | None, dict[int, Pledge]]
    # Pledges to compare names with, and their words.
    pool: list[tuple[Pledge, list[set[str]]]]
    gifts: dict[str | None, list[Transaction]]
    own_ibans: set[tuple[int, str]]
    disbursements: list[Disbursement]
    sheets: list[CollectionSheet]


def suggestions(lines: Sequence[Transaction]) -> dict[int, list[Suggestion]]:
    """Return the best suggestions for each line (of reconciling.waiting(), with `left_minor`), by primary key."""
    meant = {line.pk: _readings(line) for line in lines}
    known = _read(lines, meant)
    found = {}
    for line in lines:
        guesses = _incoming(line, meant[line.pk], known) if line.amount_minor > 0 else _outgoing(line, meant, known)
        best = max((guess.score for guess in guesses), default=0)
        worth = [guess for guess in guesses if guess.score >= _BESIDE * best]
        found[line.pk] = sorted(worth, key=lambda guess: -guess.score)[:SHOWN]
    return found


def _readings(line: Transaction) -> dict[str, bool]:
    """Return the numbers that the line may name, and whether it does so exactly."""
    texts = "\n".join(filter(None, (line.remittance, line.end_to_end)))
    found = {reading.number: reading.exact for reading in misreading.readings(texts)}
    return found | ({line.reference: True} if line.reference else {})


def _read(lines: Sequence[Transaction], meant: dict[int, dict[str, bool]]) -> _Known:
    funds = {line.fund_id for line in lines}
    tags = {line.counterparty_iban_tag for line in lines} - {None}
    incoming = [line for line in lines if line.amount_minor > 0]
    outgoing = [line for line in lines if line.amount_minor < 0]
    by_number = defaultdict(list)
    for pledge in _pledges().filter(number__in=set(chain.from_iterable(meant.values()))):
        by_number[pledge.number].append(pledge)
    by_iban: dict[str | None, dict[int, Pledge]] = defaultdict(dict)
    # The lines first: SQLite would look for their allocations among all, from the newest on.
    came = Transaction.objects.filter(counterparty_iban_tag__in=tags).order_by("-pk")
    tag_of = dict(came.values_list("pk", "counterparty_iban_tag")[:_EARLIER])
    seen = Allocation.objects.filter(transaction__in=tag_of, kind=Kind.PLEDGE, reverses=None, reversal=None)
    pairs = {(tag_of[line], pledge) for line, pledge in seen.order_by().values_list("transaction", "pledge")}
    paid_before = _pledges().in_bulk({pledge for _tag, pledge in pairs})
    for iban_tag, pledge_pk in pairs:
        by_iban[iban_tag][pledge_pk] = paid_before[pledge_pk]
    amounts = {line.left_minor for line in incoming}  # type: ignore[attr-defined]
    of_fund = _pledges().counted().filter(fund__in=funds)
    pool = {
        pledge.pk: pledge
        for pledge in chain(of_fund.filter(amount_minor__in=amounts)[:_OF_AN_AMOUNT], of_fund[:_NEWEST])
    }
    return _Known(
        by_number=by_number,
        by_iban=by_iban,
        pool=[(pledge, _names(pledge)) for pledge in pool.values()] if incoming else [],
        gifts=_gifts(tags) if outgoing else {},
        own_ibans=set(BankAccount.objects.filter(fund__in=funds).values_list("fund", "iban")),
        disbursements=_unpaid(funds) if outgoing else [],
        sheets=_in_the_cash_box(funds) if incoming else [],
    )


def _pledges() -> PledgeQuerySet:
    arrived = Allocation.objects.filter(pledge=OuterRef("pk")).order_by().values("pledge")
    total = Subquery(arrived.annotate(total=Sum("amount_minor")).values("total"))
    return cast(
        "PledgeQuerySet", Pledge.objects.defer("email").annotate(received_minor=Coalesce(total, 0)).order_by("-pk")
    )


def _gifts(tags: Iterable[str | None]) -> dict[str | None, list[Transaction]]:
    """Return what came in from these accounts, newest first, with what it was for as `standing`."""
    standing = Allocation.objects.filter(reverses=None, reversal=None).select_related("pledge")
    found: dict[str | None, list[Transaction]] = defaultdict(list)
    came = Transaction.objects.filter(counterparty_iban_tag__in=tags, amount_minor__gt=0, reverses=None, reversal=None)
    for gift in came.prefetch_related(Prefetch("allocations", standing, to_attr="standing"))[:_EARLIER]:
        found[gift.counterparty_iban_tag].append(gift)
    return found


def _unpaid(funds: set[int]) -> list[Disbursement]:
    """Return the approved disbursements of which something is still to be paid, as `left_minor`."""
    paid = Allocation.objects.filter(disbursement=OuterRef("pk")).order_by().values("disbursement")
    total = Coalesce(Subquery(paid.annotate(total=Sum("amount_minor")).values("total")), 0)
    return list(
        Disbursement.objects.filter(fund__in=funds)
        .annotate(approved=Count("approvals"), left_minor=F("amount_minor") + total)
        .filter(approved__gte=APPROVALS_NEEDED, left_minor__gt=0)[:_NEWEST]
    )


def _in_the_cash_box(funds: set[int]) -> list[CollectionSheet]:
    """Return the counted sheets whose money, `left_minor`, is not at the bank yet."""
    in_cash = Allocation.objects.filter(sheet=OuterRef("pk"), transaction__account=None).order_by().values("sheet")
    total = Coalesce(Subquery(in_cash.annotate(total=Sum("amount_minor")).values("total")), 0)
    counted = CollectionSheet.objects.filter(fund__in=funds, counted_at__isnull=False)
    return list(counted.annotate(left_minor=total).filter(left_minor__gt=0)[:_NEWEST])


def _incoming(line: Transaction, meant: dict[str, bool], known: _Known) -> list[Suggestion]:
    named = [pledge for number in meant for pledge in known.by_number.get(number, ())]
    seen = known.by_iban.get(line.counterparty_iban_tag, {}) if line.counterparty_iban_tag else {}
    theirs = _words(line.counterparty)
    alike = [pledge for pledge, names in known.pool if any(theirs & name for name in names)]
    pledges = {pledge.pk: pledge for pledge in (*named, *seen.values(), *alike)}
    possible = [one for one in pledges.values() if (one.fund_id, one.currency) == (line.fund_id, line.currency)]
    guesses = [_for_pledge(line, pledge, meant.get(pledge.number), pledge.pk in seen) for pledge in possible]
    worth = [guess for guess in guesses if guess.score >= _WORTH_SHOWING]
    return [*_split(line, [one for one in possible if meant.get(one.number)]), *worth, *_no_gift(line, known)]


def _for_pledge(line: Transaction, pledge: Pledge, exact: bool | None, seen: bool) -> Suggestion:  # noqa: FBT001
    left = line.left_minor  # type: ignore[attr-defined]
    guess = Suggestion((Part(Kind.PLEDGE, left, pledge),), 0)
    _weigh(guess, exact is True, _REFERENCE, _("the reference is this pledge's"))
    _weigh(guess, exact is False, _NEARLY, _("the reference is this pledge's but for a slip or a look-alike letter"))
    _weigh(guess, seen, _SEEN, _("this bank account has paid for it before"))
    same, alike = _alike(_words(line.counterparty), _names(pledge))
    _weigh(guess, same, _NAME, _("the same name"))
    _weigh(guess, alike and not same, _PART_OF_NAME, _("a similar name"))
    _weigh(guess, left == pledge.amount_minor, _AMOUNT, _("just this amount was pledged"))
    days = (line.booked_on - pledge.created_at.date()).days
    _weigh(guess, 0 <= days <= _SOON, _DATE, _("pledged shortly before"))
    if guess.score >= _WORTH_SHOWING:
        _warn(guess, pledge, left)
    if days < 0 and exact is None:
        guess.score -= 10
        guess.cautions.append(_("the pledge was made only after this payment"))
    return guess


def _weigh(guess: Suggestion, holds: bool, weight: int, reason: str) -> None:  # noqa: FBT001
    if holds:
        guess.score += weight
        guess.reasons.append(reason)


def _warn(guess: Suggestion, pledge: Pledge, left: int) -> None:
    """Say what is unusual about paying this amount on the pledge."""
    received = pledge.received_minor  # type: ignore[attr-defined]
    if pledge.withdrawn_at:
        guess.cautions.append(_("the pledge was withdrawn"))
        guess.score -= 15
    elif not pledge.confirmed_at:
        guess.cautions.append(_("the pledge was never confirmed from its mail"))
    if pledge.frequency == Pledge.Frequency.MONTHLY:
        return
    due = pledge.amount_minor - received
    if due <= 0:
        guess.cautions.append(_("the pledge is paid already: this may be a second payment by mistake"))
        guess.score -= 25
    elif left > due:
        over = money.format_amount(left - due, pledge.currency)
        guess.cautions.append(_("%(amount)s more than is open of the pledge") % {"amount": over})
    elif left < due:
        under = money.format_amount(due - left, pledge.currency)
        guess.cautions.append(_("%(amount)s of the pledge stay open") % {"amount": under})


def _split(line: Transaction, named: Sequence[Pledge]) -> list[Suggestion]:
    """Suggest to split a line that names several pledges, if it is just what is open of them."""
    parts = tuple(
        Part(
            Kind.PLEDGE,
            one.amount_minor if one.frequency == Pledge.Frequency.MONTHLY else one.amount_minor - one.received_minor,  # type: ignore[attr-defined]
            one,
        )
        for one in named
        if one.confirmed_at and not one.withdrawn_at
    )
    fits = len(parts) > 1 and all(part.amount_minor > 0 for part in parts)
    if not fits or sum(part.amount_minor for part in parts) != line.left_minor:  # type: ignore[attr-defined]
        return []
    reason = _("the references of these pledges stand in the text, and together they make the amount")
    return [Suggestion(parts, _REFERENCE * 2, [reason])]


def _no_gift(line: Transaction, known: _Known) -> list[Suggestion]:
    left = line.left_minor  # type: ignore[attr-defined]
    found = _own_transfer(line, known)
    for sheet in known.sheets:
        if (sheet.fund_id, sheet.currency, sheet.left_minor) == (line.fund_id, line.currency, left):  # type: ignore[attr-defined]
            reason = _("just what lies in the cash box from this collection")
            found.append(Suggestion((Part(Kind.DEPOSIT, left, sheet=sheet),), _NAME, [reason]))
    return found if line.account_id else []


def _own_transfer(line: Transaction, known: _Known) -> list[Suggestion]:
    iban = "".join(line.counterparty_iban.split()).upper()
    if (line.fund_id, iban) not in known.own_ibans:
        return []
    reason = _("the other account is the fund's own")
    return [Suggestion((Part(Kind.TRANSFER, line.left_minor),), _REFERENCE, [reason])]  # type: ignore[attr-defined]


def _outgoing(line: Transaction, meant: dict[int, dict[str, bool]], known: _Known) -> list[Suggestion]:
    left = line.left_minor  # type: ignore[attr-defined]
    found = _own_transfer(line, known)
    for payment in known.disbursements:
        if (payment.fund_id, payment.currency, payment.left_minor) == (line.fund_id, line.currency, -left):  # type: ignore[attr-defined]
            reason = _("two organisers approved just this amount, and it is not paid yet")
            found.append(Suggestion((Part(Kind.DISBURSEMENT, left, disbursement=payment),), _SEEN, [reason]))
    found += _given_back(line, meant[line.pk], known)
    words = f"{line.remittance} {line.description} {line.counterparty}".casefold()
    if not line.counterparty_iban and any(word in words for word in _FEE_WORDS):
        found.append(Suggestion((Part(Kind.FEE, left),), _NAME, [_("the bank's words speak of its charges")]))
    return found


def _given_back(line: Transaction, meant: dict[str, bool], known: _Known) -> list[Suggestion]:
    """Suggest of which gift this is the return: by the donor's account, or by the pledge that it names."""
    left = line.left_minor  # type: ignore[attr-defined]
    found: list[Suggestion] = []
    pledges: set[int] = set()
    for gift in known.gifts.get(line.counterparty_iban_tag, ()) if line.counterparty_iban_tag else ():
        standing: list[Allocation] = gift.standing  # type: ignore[attr-defined]
        if gift.fund_id != line.fund_id or gift.currency != line.currency or gift.booked_on > line.booked_on:
            continue
        if {one.kind for one in standing} - {Kind.PLEDGE, Kind.GIFT}:
            continue
        if len(standing) == 1:
            parts: tuple[Part, ...] = (Part(Kind.REFUND, left, standing[0].pledge),)
        elif gift.amount_minor == -left and sum(one.amount_minor for one in standing) == -left:
            parts = tuple(Part(Kind.REFUND, -one.amount_minor, one.pledge) for one in standing)
        else:
            parts = (Part(Kind.REFUND, left),)
        if gift.amount_minor < -left or any(part.pledge and part.pledge.pk in pledges for part in parts):
            continue
        pledges.update(part.pledge.pk for part in parts if part.pledge)
        came = {
            "amount": money.format_amount(gift.amount_minor, gift.currency),
            "date": date_format(gift.booked_on, "DATE_FORMAT"),
        }
        guess = Suggestion(parts, _SEEN, [_("from the same bank account came %(amount)s on %(date)s") % came])
        _weigh(guess, gift.amount_minor == -left, _AMOUNT, _("the same amount"))
        found.append(guess)
    for number, exact in meant.items():
        for pledge in known.by_number.get(number, ()):
            is_its = (pledge.fund_id, pledge.currency) == (line.fund_id, line.currency)
            if is_its and pledge.pk not in pledges and pledge.received_minor >= -left:  # type: ignore[attr-defined]
                guess = Suggestion((Part(Kind.REFUND, left, pledge),), 0)
                _weigh(guess, exact, _REFERENCE, _("it names the pledge's reference"))
                _weigh(guess, not exact, _NEARLY, _("it names the pledge's reference, but for a slip"))
                found.append(guess)
    return found


def _names(pledge: Pledge) -> list[set[str]]:
    """Return the words of its giver's name, and of the organisation's."""
    return [words for words in (_words(pledge.name), _words(pledge.organisation)) if words]


def _alike(theirs: set[str], ours: list[set[str]]) -> tuple[bool, bool]:
    """Whether a name is the same as one of ours, in whatever order and accents; and whether it shares a word of it."""
    same = any(
        name == theirs or (min(len(name), len(theirs)) > 1 and (name <= theirs or theirs <= name)) for name in ours
    )
    return same, any(name & theirs for name in ours)


def _words(name: str) -> set[str]:
    if isinstance(name, Unreadable):  # two lost names are not the same name
        return set()
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return {word for word in "".join(c if c.isalnum() else " " for c in plain).split() if len(word) > 1}
