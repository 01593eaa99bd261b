"""
Which pages and acts of the desk need a factor that was given lately: one table, by the names of the desk's addresses.

What stands in none of the lists needs it; tests/config/test_acts.py finds what does not stand here by name.
"""

from fnmatch import fnmatchcase

from django.http import HttpRequest

from organisers import reauthenticating

# Asked for already when the page is opened: it gives data out, or takes what cannot be kept while asking.
AT_ONCE = (
    "*_export",
    "protests_letter_handover",
    "donations_storedfile_download",
    "protests_target_import",
    *("password_change", "auth_user_password_change"),
)
# Asked for when something is posted; and each act on rows of a list, whichever it is.
POSTED = (
    "*_delete",
    "*_delete_translation",
    *("auth_group_add", "auth_group_change", "auth_user_add", "auth_user_change"),
    *("organisers_invitation_add", "organisers_invitation_change"),
    *("campaign_mailing_add", "campaign_mailing_change"),
    *("donations_fund_add", "donations_fund_change", "donations_bankaccount_add", "donations_bankaccount_change"),
    *("donations_disbursement_bank", "donations_disbursement_cash"),
    *("protests_pause_all", "on_request"),
    *("readiness", "trial_letter"),
)
# Every day's work, which can be undone or is kept in the books by itself.
FREE = (
    *("index", "app_list", "login", "logout", "jsi18n", "autocomplete", "view_on_site", "sessions", "translations"),
    *("password_change_done", "*_changelist", "*_history"),
    *("campaign_campaign_*", "campaign_strike_*", "campaign_activist_*", "campaign_charge_*", "campaign_labour_*"),
    *("campaign_update_*", "campaign_document_*", "campaign_picture_*", "campaign_comment_*"),
    *("campaign_messageofsupport_*", "campaign_endorsement_*", "campaign_subscriber_*", "campaign_subscriptionmail_*"),
    *("campaign_mydatamail_*", "organisers_auditentry_*"),
    *("campaign_mailingcopy_*", "campaign_mailingtrial_*", "limits_block_*", "outbox_trialletter_*"),
    *("protests_letter_*", "protests_lettertext_*", "protests_target_*", "protests_maildomain_*", "protests_hold_*"),
    *("protests_signature_*", "protests_delivery_*", "protests_confirmationmail_*", "protests_suspensionnotice_*"),
    *("protests_digest_*", "protests_picket_*", "protests_picketreport_*"),
    *("donations_desk", "donations_desk_*", "donations_pledge_*", "donations_pledgehold_*", "donations_pledgemail_*"),
    *("donations_accountnotice_*", "donations_transaction_*", "donations_bankstatement_*", "donations_statement_*"),
    *("donations_collectionsheet_*", "donations_disbursement_add", "donations_disbursement_change"),
    *("donations_disbursement_evidence", "donations_allocation_*", "donations_storedfile_*", "donations_rate_*"),
)


def _is(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_known(name: str) -> bool:
    """Whether the table says something of the address by name."""
    return _is(name, AT_ONCE + POSTED + FREE)


def needs_at_once(name: str) -> bool:
    """Whether the page is not even shown without."""
    return _is(name, AT_ONCE)


def needs(name: str, action: str = "") -> bool:
    """Whether what is posted there needs it: each act on rows of a list does."""
    return bool(action) or _is(name, AT_ONCE + POSTED) or not _is(name, FREE)


def must_ask(request: HttpRequest) -> bool:
    """Whether this request must wait until a factor was given again."""
    name = (request.resolver_match and request.resolver_match.url_name) or ""
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        if name.endswith("_changelist") and not request.POST.get("action"):  # rows edited in the list
            name = name.removesuffix("changelist") + "change"
        # Who opened the page in time may take some time to fill it in.
        times = 2 if needs_at_once(name) else 1
        return needs(name, request.POST.get("action", "")) and not reauthenticating.is_recent(request, times)
    # Without a name: Django's own redirects, and what is not found.
    return bool(name) and (needs_at_once(name) or not is_known(name)) and not reauthenticating.is_recent(request)
