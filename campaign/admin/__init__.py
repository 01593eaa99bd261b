"""The organisers' desk for the story, and for who reads it by e-mail."""

from campaign.admin import audit, mailings, pictures, story, subscribers, voices
from campaign.admin.exporting import Exporting
from campaign.admin.published import (
    CountryFilter,
    PublishedAdmin,
    Publishes,
    SafeAddresses,
    StateFilter,
    StrikeFilter,
    SubmittedAdmin,
    SubmittedFilter,
)

__all__ = [
    "CountryFilter",
    "Exporting",
    "PublishedAdmin",
    "Publishes",
    "SafeAddresses",
    "StateFilter",
    "StrikeFilter",
    "SubmittedAdmin",
    "SubmittedFilter",
    "audit",
    "mailings",
    "pictures",
    "story",
    "subscribers",
    "voices",
]
