"""The story: a strike, its demands and days, the people charged, what is news, and what supporters say."""

from campaign.models.campaign import Campaign, Edition
from campaign.models.documents import Document
from campaign.models.news import Update, slug_is_free
from campaign.models.people import Activist, ActivistQuerySet, Alias, Charge, ChargeUpdate
from campaign.models.published import OfStrikeQuerySet, PublishedQuerySet, published_at
from campaign.models.strikes import Claim, Demand, Strike, TimelineEvent
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
from campaign.models.voices import MessageOfSupport

__all__ = [
    "CONFIRM_WITHIN",
    "LINK_FOR",
    "REFUSALS",
    "Activist",
    "ActivistQuerySet",
    "Alias",
    "Campaign",
    "Charge",
    "ChargeUpdate",
    "Claim",
    "Demand",
    "Document",
    "Edition",
    "Mailing",
    "MailingCopy",
    "MailingText",
    "MailingTrial",
    "MessageOfSupport",
    "OfStrikeQuerySet",
    "PublishedQuerySet",
    "Strike",
    "Subscriber",
    "SubscriberQuerySet",
    "SubscriptionMail",
    "TextChange",
    "TimelineEvent",
    "Update",
    "published_at",
    "slug_is_free",
]
