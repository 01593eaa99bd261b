"""The mails that campaign sends."""

from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaign import mailing
from campaign.models import (
    CONFIRM_WITHIN,
    OPEN_FOR,
    Campaign,
    MailingCopy,
    MailingText,
    MailingTrial,
    MyDataMail,
    SubscriptionMail,
)
from campaign.subscribing import unsubscribe_token
from outbox.messages import PlainText, Withdrawn, composes, plain_text, render_text
from privacy import holding


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


@composes(MyDataMail)
def my_data(mail: MyDataMail) -> PlainText:
    """Compose the mail with the link to what is held of the address; or that says that nothing is, without a link."""
    if not mail.email:
        raise Withdrawn("The address has been deleted.")
    others = (one for one in holding.find(mail.email_tag or "") if one.kind != "request")
    with override(mail.language):
        campaign = Campaign.objects.prefetch_related("translations").first()
        context = {
            "campaign": campaign,
            "is_known": next(others, None) is not None,
            "link": settings.BASE_URL + reverse("campaign:my_data_page", args=[mail.token]),
            "hours": OPEN_FOR // timedelta(hours=1),
        }
        message = plain_text(
            to=mail.email,
            subject=render_text("campaign/emails/my_data_subject.txt", context),
            body=render_text("campaign/emails/my_data.txt", context),
            message_id=mail.message_id,
            from_name=str(campaign or _("Solidarity")),
        )
    # RFC 3834: an absent person's auto-responder stays silent.
    message["Auto-Submitted"] = "auto-generated"
    return message


@composes(MailingCopy)
def copy(mail: MailingCopy) -> PlainText:
    """Compose a subscriber's copy, in the words that were approved. Raises Withdrawn for one who has left."""
    subscriber = mail.subscriber
    if not subscriber.is_subscribed:
        raise Withdrawn("The subscriber has left.")
    text = mailing.best(mail.mailing.texts.all(), subscriber.language)
    with override(subscriber.language):
        leave = settings.BASE_URL + reverse("campaign:unsubscribe", args=[unsubscribe_token(subscriber.pk)])
    message = _mailed(text, to=subscriber.email, message_id=mail.message_id, subject=text.subject, leave=leave)
    message["List-Unsubscribe"] = f"<{leave}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    return message


@composes(MailingTrial)
def trial(mail: MailingTrial) -> PlainText:
    """Compose an organiser's copy, in the words as they are now. Raises Withdrawn where there is no address."""
    if not mail.organiser.email:
        raise Withdrawn("The organiser's account holds no e-mail address any more.")
    text = mailing.best(mailing.texts(mail.mailing), mail.language)
    with override(text.language):
        subject = _("Trial: %(subject)s") % {"subject": text.subject}
        leave = _("(each subscriber's own link)")
    return _mailed(text, to=mail.organiser.email, message_id=mail.message_id, subject=subject, leave=leave)


def _mailed(text: MailingText, *, to: str, message_id: str, subject: str, leave: str) -> PlainText:
    with override(text.language):
        mine = settings.BASE_URL + reverse("campaign:my_data")
        body = render_text("campaign/emails/mailing.txt", {"text": text, "leave": leave, "my_data": mine})
    message = plain_text(to=to, subject=subject, body=body, message_id=message_id, from_name=text.sender)
    message["List-Id"] = f"<updates.{settings.MAIL_FROM.rpartition('@')[2]}>"  # RFC 2919
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: an absent subscriber's auto-responder stays silent
    return message
