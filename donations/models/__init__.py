"""The support fund: its account, what is pledged, what arrived. Money is integer minor units and a currency."""

from donations.models.cash import CollectionSheet
from donations.models.disbursements import Approval, Cancellation, Disbursement, Evidence
from donations.models.fields import CompactField, iban_in, validate_bic, validate_iban, without_iban
from donations.models.funds import AccountNotice, BankAccount, Fund
from donations.models.ledger import Allocation, LedgerEvent, Rate
from donations.models.pledges import (
    CONFIRM_WITHIN,
    HELD_FOR,
    KEPT_FOR,
    LINK_FOR,
    UNDO_WITHIN,
    Pledge,
    PledgeHold,
    PledgeHoldQuerySet,
    PledgeMail,
    PledgeQuerySet,
)
from donations.models.posted import Posted, PostedError, StoredFile
from donations.models.statements import BankStatement, OpenLine, StatementMapping, StatementUpload, Transaction

__all__ = [
    "CONFIRM_WITHIN",
    "HELD_FOR",
    "KEPT_FOR",
    "LINK_FOR",
    "UNDO_WITHIN",
    "AccountNotice",
    "Allocation",
    "Approval",
    "BankAccount",
    "BankStatement",
    "Cancellation",
    "CollectionSheet",
    "CompactField",
    "Disbursement",
    "Evidence",
    "Fund",
    "LedgerEvent",
    "OpenLine",
    "Pledge",
    "PledgeHold",
    "PledgeHoldQuerySet",
    "PledgeMail",
    "PledgeQuerySet",
    "Posted",
    "PostedError",
    "Rate",
    "StatementMapping",
    "StatementUpload",
    "StoredFile",
    "Transaction",
    "iban_in",
    "validate_bic",
    "validate_iban",
    "without_iban",
]
