"""The mails that donations sends."""

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from campaign.models import Campaign
from donations import references
from donations.models import CONFIRM_WITHIN, PledgeMail
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
            "account": pledge.fund.payable_account,
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
