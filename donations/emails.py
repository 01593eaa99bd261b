"""The mails that donations sends."""

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from campaign.models import Campaign
from donations import references, thanking
from donations.instructions import of_pledge
from donations.models import CONFIRM_WITHIN, AccountNotice, PledgeMail
from outbox.messages import PlainText, Withdrawn, composes, plain_text, render_text

TEMPLATES = {
    PledgeMail.Kind.INSTRUCTIONS: "donations/emails/instructions",
    PledgeMail.Kind.CHANGED: "donations/emails/changed",
    PledgeMail.Kind.REMINDER: "donations/emails/reminder",
    PledgeMail.Kind.THANKS: "donations/emails/thanks",
}


@composes(PledgeMail)
def instructions(mail: PledgeMail) -> PlainText:
    """
    Return a mail with the payment instructions and the link to the pledge, in the donor's language.

    It holds nothing that the donor typed as text: anybody can type somebody else's address. Raises Withdrawn if there
    is nothing to write about any more.
    """
    pledge = mail.pledge
    if pledge.withdrawn_at or not pledge.email:
        raise Withdrawn("The pledge is withdrawn, or its giver's address is deleted.")
    told = of_pledge(pledge)
    if mail.kind == PledgeMail.Kind.REMINDER and (pledge.reminders_stopped_at or pledge.has_ended or told is None):
        raise Withdrawn("The giver wants no reminders, the pledge has ended, or there is nothing to pay.")
    gift = thanking.arrived(pledge, mail.transaction_id) if mail.transaction_id else 0
    if mail.kind == PledgeMail.Kind.THANKS and gift <= 0:
        raise Withdrawn("It turned out not to be for this pledge.")
    with translation.override(pledge.locale):
        pledge.fund.set_current_language(pledge.locale)
        context = {
            "pledge": pledge,
            "fund": pledge.fund,
            "told": told,
            "ogm": references.ogm(pledge.number),
            "rf": references.rf(pledge.number),
            "due_on": mail.due_on,
            "gift": gift,
            "booked_on": mail.transaction.booked_on if mail.transaction else None,
            "receipt": settings.BASE_URL
            + reverse("donations:paper_pdf", args=[mail.token, f"receipt-{mail.transaction_id}"]),
            "ledger": settings.BASE_URL + reverse("donations:ledger"),
            "link": settings.BASE_URL + reverse("donations:instructions", args=[mail.token]),
            "confirm_days": CONFIRM_WITHIN.days,
        }
        template = TEMPLATES[PledgeMail.Kind(mail.kind)]
        message = plain_text(
            to=pledge.email,
            subject=render_text(f"{template}_subject.txt", context),
            body=render_text(f"{template}.txt", context),
            message_id=mail.message_id,
            from_name=str(Campaign.objects.first() or _("Solidarity")),
        )
    # RFC 3834: an absent donor's auto-responder stays silent.
    message["Auto-Submitted"] = "auto-generated"
    return message


@composes(AccountNotice)
def account_notice(mail: AccountNotice) -> PlainText:
    """Return the mail that tells an organiser what became of a bank account."""
    with translation.override(settings.LANGUAGE_CODE):
        campaign = Campaign.objects.prefetch_related("translations").first()
        context = {
            "what": mail.what,
            "account": mail.account,
            "fund": mail.account.fund,
            "is_announced": mail.account.valid_from != mail.account.approved_at,
            "link": settings.BASE_URL + reverse("admin:donations_bankaccount_change", args=[mail.account_id]),
            "campaign": campaign,
        }
        message = plain_text(
            to=mail.organiser.email
            if mail.organiser
            else (campaign.contact_email if campaign else "") or settings.MAIL_REPLY_TO,
            subject=render_text("donations/emails/account_subject.txt", context),
            body=render_text("donations/emails/account.txt", context),
            message_id=mail.message_id,
            from_name=str(campaign or _("Solidarity")),
        )
    message["Auto-Submitted"] = "auto-generated"
    return message
