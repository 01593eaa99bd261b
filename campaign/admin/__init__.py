"""The organisers' desk for the story, and for who reads it by e-mail."""

from campaign.admin import mailings, pictures, story, subscribers
from campaign.admin.published import PublishedAdmin, SafeAddresses, StateFilter, StrikeFilter

__all__ = [
    "PublishedAdmin",
    "SafeAddresses",
    "StateFilter",
    "StrikeFilter",
    "mailings",
    "pictures",
    "story",
    "subscribers",
]
