"""The story: a strike, its demands and days, the people charged, what is news, and what supporters say."""

from campaign.models.campaign import Campaign, Edition
from campaign.models.documents import Document
from campaign.models.my_data import OPEN_AFTER_USE, OPEN_FOR, MyDataMail
from campaign.models.news import Comment, Update, slug_is_free
from campaign.models.people import Activist, ActivistQuerySet, Alias, Charge, ChargeUpdate, Custody, Status
from campaign.models.pictures import Picture
from campaign.models.published import OfStrikeQuerySet, PublishedQuerySet, published_at
from campaign.models.strikes import (
    Claim,
    Company,
    Demand,
    Labour,
    Share,
    Source,
    Strike,
    TimelineEvent,
)
from campaign.models.submitted import DECIDE_WITHIN, KEEP_REFUSED, Submitted, SubmittedQuerySet
from campaign.models.subscribers import (
    CONFIRM_WITHIN,
    LINK_FOR,
    REFUSALS,
    Mailing,
    MailingCopy,
    MailingText,
    MailingTrial,
    Subscriber,
    SubscriberQuerySet,
    SubscriptionMail,
)
from campaign.models.texts import TextChange
from campaign.models.voices import NAMED_FOR_DAYS, Endorsement, MessageOfSupport, VoiceQuerySet

__all__ = [
    "CONFIRM_WITHIN",
    "DECIDE_WITHIN",
    "KEEP_REFUSED",
    "LINK_FOR",
    "NAMED_FOR_DAYS",
    "OPEN_AFTER_USE",
    "OPEN_FOR",
    "REFUSALS",
    "Activist",
    "ActivistQuerySet",
    "Alias",
    "Campaign",
    "Charge",
    "ChargeUpdate",
    "Claim",
    "Comment",
    "Company",
    "Custody",
    "Demand",
    "Document",
    "Edition",
    "Endorsement",
    "Labour",
    "Mailing",
    "MailingCopy",
    "MailingText",
    "MailingTrial",
    "MessageOfSupport",
    "MyDataMail",
    "OfStrikeQuerySet",
    "Picture",
    "PublishedQuerySet",
    "Share",
    "Source",
    "Status",
    "Strike",
    "Submitted",
    "SubmittedQuerySet",
    "Subscriber",
    "SubscriberQuerySet",
    "SubscriptionMail",
    "TextChange",
    "TimelineEvent",
    "Update",
    "VoiceQuerySet",
    "published_at",
    "slug_is_free",
]
