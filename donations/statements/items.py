"""What a statement consists of, and the one error that a file can cause."""

from dataclasses import dataclass
from datetime import date


class StatementError(Exception):
    """The file cannot be taken, in words for the person who chose it, with the line where that shows."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message, line)
        self.message = message
        self.line = line

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a statement. `opening_minor` is None where the file does not tell."""

    account: str
    currency: str
    reference: str
    opening_minor: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """One booked payment; `at` is where in the file it stands. Money that came in is above zero."""

    at: int
    amount_minor: int
    currency: str
    booked_on: date
    value_on: date | None = None
    bank_reference: str = ""
    end_to_end: str = ""
    # The ten digits of a valid reference of ours, or nothing. As it was typed it stands in `remittance`.
    reference: str = ""
    counterparty: str = ""
    counterparty_iban: str = ""
    remittance: str = ""
    # The bank calls it the reversal of an earlier booking.
    reversal: bool = False
    # What the account held after this line, where the file tells: it tells apart gifts that are alike.
    balance_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was read and is not booked, and why."""

    at: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a statement."""

    closing_minor: int | None
    from_on: date | None
    to_on: date | None


Item = Head | Line | Rejected | Tail
