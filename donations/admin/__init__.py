"""The treasurer's desk: the fund and its account, what was pledged, what arrived and what was paid out."""

from donations.admin import allocations, cash, disbursements, files, funds, pledges, rates, statements, transactions

__all__ = [
    "allocations",
    "cash",
    "disbursements",
    "files",
    "funds",
    "pledges",
    "rates",
    "statements",
    "transactions",
]
