"""
How to pay: account, amount and reference, as text and as the QR code that banks' apps read (EPC069-12).

Everything is checked before anything is shown: a wrong digit sends somebody's money elsewhere.
"""

import logging
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import segno
from django.utils.translation import gettext as _
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from donations import accounts, references
from donations.models import Fund, Pledge

logger = logging.getLogger(__name__)

LONGEST_NAME = 70
MOST_CENTS = 999_999_999_99
# EPC069-12, 2.1: "maximum QR code version 13, equivalent to ... 331 byte payload", with error correction M.
LONGEST_PAYLOAD = 331
LARGEST_VERSION = 13
# There an IBAN is enough; for an account elsewhere the code holds the BIC, too.
EEA = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split())  # noqa: SIM905


class WrongAccountError(ValueError):
    """Nobody may be told to pay to this: the account's data are wrong."""


class NoCodeError(ValueError):
    """What is to be paid cannot be put into the code; as text it can be shown."""


@dataclass(frozen=True)
class Instructions:
    """What a donor copies into a transfer. `amount_minor` is None where the donor chooses it."""

    holder: str
    iban: str
    bic: str
    currency: str
    amount_minor: int | None
    number: str
    note: str = ""

    def __post_init__(self) -> None:
        try:
            IBAN(self.iban)
            if self.bic:
                BIC(self.bic)
        except SchwiftyException as error:
            raise WrongAccountError("no valid IBAN or BIC") from error
        if not self.holder.strip() or any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in self.holder):
            raise WrongAccountError("the holder is empty or more than one line")

    @property
    def grouped_iban(self) -> str:
        return IBAN(self.iban).formatted

    @property
    def ogm(self) -> str:
        return references.ogm(self.number)

    @property
    def rf(self) -> str:
        return references.rf(self.number)

    @cached_property
    def qr(self) -> str:
        """The code as SVG, to stand in a page; empty where banks' apps could not read it."""
        try:
            return svg(payload(self))
        except NoCodeError:
            return ""


def payload(told: Instructions) -> str:
    """
    Return what the code says (EPC069-12, version 002): the holder letter for letter, the reference as a structured one.

    Raises NoCodeError for what the standard has no room for: a currency other than the euro, an account outside SEPA.
    """
    iban = IBAN(told.iban)
    if told.currency != "EUR" or not iban.in_sepa_zone:
        raise NoCodeError("only euros can be sent this way, to an account in SEPA")
    if not told.bic and iban.country_code not in EEA:
        raise NoCodeError("an account outside the European Economic Area needs its BIC")
    if len(told.holder) > LONGEST_NAME:
        raise NoCodeError("the holder's name is too long")
    amount = ""
    if told.amount_minor is not None:
        if not 1 <= told.amount_minor <= MOST_CENTS:
            raise NoCodeError("the amount is out of range")
        amount = f"EUR{told.amount_minor // 100}.{told.amount_minor % 100:02}"
    reference = told.rf.replace(" ", "")
    if references.number_from_rf(reference) != told.number:
        raise NoCodeError("the reference does not lead back to its number")
    lines = ["BCD", "002", "1", "SCT", told.bic, told.holder, str(iban), amount, "", reference]
    text = "\n".join(lines)
    if len(text.encode()) > LONGEST_PAYLOAD:
        raise NoCodeError("the payload is too long")
    return text


def svg(text: str) -> str:
    """Return the code of `text` as one SVG element without any style: black on white, whatever the page's colours."""
    code = segno.make(text, error="m", boost_error=False, micro=False, encoding="utf-8")
    if int(code.version) > LARGEST_VERSION:
        raise NoCodeError("the code is too large")
    title = _("QR code with the account, the amount and the reference")
    out = BytesIO()
    code.save(
        out, kind="svg", border=4, omitsize=True, xmldecl=False, nl=False, svgclass="qr", light="#fff", title=title
    )
    return out.getvalue().decode()


def of_pledge(made: Pledge) -> Instructions | None:
    """Return how to pay a pledge; None if nothing is to be paid: no account in force, or one that is not payable."""
    return _to(made.fund, made.number, made.currency, made.amount_minor)


def of_appeal(fund: Fund) -> Instructions | None:
    """Return how to give to a fund without a pledge, under the fund's own reference."""
    currency = "EUR" if "EUR" in fund.currency_list else fund.currency_list[0]
    return _to(fund, references.fund_number(fund.pk), currency, None)


def _to(fund: Fund, number: str, currency: str, amount_minor: int | None) -> Instructions | None:
    account = accounts.payable(fund)
    if account is None:
        return None
    note = account.safe_translation_getter("note", default="")
    try:
        return Instructions(account.holder, account.iban, account.bic, currency, amount_minor, number, note)
    except WrongAccountError as error:
        logger.error("Nobody is told to pay to account %s: %s.", account.pk, error)
        return None
