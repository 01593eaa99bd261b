"""The mails that campaign sends."""

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaign.models import CONFIRM_WITHIN, Campaign, SubscriptionMail
from outbox.messages import PlainText, Withdrawn, composes, plain_text, render_text


@composes(SubscriptionMail)
def subscription(mail: SubscriptionMail) -> PlainText:
    """
    Compose the mail that asks to confirm a subscription, or shows a subscriber where to change it.

    It holds nothing that was typed into the form. Raises Withdrawn where the person has left since.
    """
    subscriber = mail.subscriber
    if subscriber.unsubscribed_at is not None:
        raise Withdrawn("The subscriber has left.")
    with override(subscriber.language):
        campaign = Campaign.objects.prefetch_related("translations").first()
        context = {
            "campaign": campaign,
            "subscriber": subscriber,
            "link": settings.BASE_URL + reverse("campaign:subscription", args=[mail.token]),
            "days": CONFIRM_WITHIN.days,
        }
        message = plain_text(
            to=subscriber.email,
            subject=render_text("campaign/emails/subscribe_subject.txt", context),
            body=render_text("campaign/emails/subscribe.txt", context),
            message_id=mail.message_id,
            from_name=str(campaign or _("Solidarity")),
        )
    # RFC 3834: an absent subscriber's auto-responder stays silent.
    message["Auto-Submitted"] = "auto-generated"
    return message
