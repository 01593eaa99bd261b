"""The organisers' desk for the story, and for who reads it by e-mail."""

from campaign.admin import mailings, story, subscribers
from campaign.admin.exporting import Exporting
from campaign.admin.published import PublishedAdmin, SafeAddresses, StateFilter, StrikeFilter

__all__ = [
    "Exporting",
    "PublishedAdmin",
    "SafeAddresses",
    "StateFilter",
    "StrikeFilter",
    "mailings",
    "story",
    "subscribers",
]
