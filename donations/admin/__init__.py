"""The treasurer's desk: the fund and its account, what was pledged, what arrived and what was paid out."""

from donations.admin import cash, disbursements, files, funds, pledges, rates, statements, transactions

__all__ = [
    "cash",
    "disbursements",
    "files",
    "funds",
    "pledges",
    "rates",
    "statements",
    "transactions",
]
