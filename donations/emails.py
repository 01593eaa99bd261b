"""The mails that donations sends."""

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from campaign.models import Campaign
from donations import accounts, references
from donations.models import CONFIRM_WITHIN, AccountNotice, PledgeMail
from outbox.messages import PlainText, composes, plain_text, render_text


@composes(PledgeMail)
def instructions(mail: PledgeMail) -> PlainText:
    """
    Return the mail with the payment instructions and the link that confirms, in the donor's language.

    It holds nothing that the donor typed as text: anybody can type somebody else's address.
    """
    pledge = mail.pledge
    with translation.override(pledge.locale):
        pledge.fund.set_current_language(pledge.locale)
        context = {
            "pledge": pledge,
            "fund": pledge.fund,
            "account": accounts.payable(pledge.fund),
            "ogm": references.ogm(pledge.number),
            "rf": references.rf(pledge.number),
            "link": settings.BASE_URL + reverse("donations:instructions", args=[mail.token]),
            "confirm_days": CONFIRM_WITHIN.days,
        }
        message = plain_text(
            to=pledge.email,
            subject=render_text("donations/emails/instructions_subject.txt", context),
            body=render_text("donations/emails/instructions.txt", context),
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
