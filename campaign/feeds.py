"""The updates as an Atom feed (RFC 4287)."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.db.models import Prefetch, QuerySet
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import escape
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from campaign import markdown
from campaign.models import Activist, Campaign, Strike, Update

ENTRIES = 30
# Pasted text holds such, and XML (1.0, 2.2) has no way to carry them.
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub(" ", text)


class AtomWithContent(Atom1Feed):
    """Entries with their full text, in which a link without a host is one to this site."""

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", item["content"], {"type": "html", "xml:base": item["link"]})


class UpdatesFeed(Feed):
    feed_type = AtomWithContent

    def title(self) -> str:
        campaign = Campaign.objects.prefetch_related("translations").first()
        return _xml(str(campaign)) if campaign else _("Solidarity")

    author_name = title

    def subtitle(self) -> str:
        return _("Updates")

    def link(self) -> str:
        return reverse("campaign:updates")

    def items(self) -> QuerySet[Update]:
        rows = Update.objects.published().prefetch_related(
            "translations",
            Prefetch("strike", Strike.objects.published().prefetch_related("translations")),
            Prefetch("activists", Activist.objects.published(), to_attr="people"),
        )
        return rows[:ENTRIES]

    def item_title(self, item: Update) -> str:
        return _xml(item.title)

    def item_description(self, item: Update) -> str:
        return escape(_xml(item.summary))

    def item_extra_kwargs(self, item: Update) -> dict[str, Any]:
        return {"content": markdown.render(_xml(item.body), settings.BASE_URL)}

    def item_pubdate(self, item: Update) -> datetime | None:
        return item.published_at

    def item_updateddate(self, item: Update) -> datetime:
        # A planned update was last changed before it appeared.
        return max(item.changed_at, item.published_at) if item.published_at else item.changed_at

    def item_categories(self, item: Update) -> list[str]:
        """Return what a reader may sort by: the strike, and who is in it."""
        return [_xml(str(name)) for name in ([item.strike] if item.strike else []) + item.people]

    def item_guid(self, item: Update) -> str:
        """Return a tag URI (RFC 4151), which outlives a change of the title, the address or the date."""
        return f"tag:{urlsplit(settings.BASE_URL).hostname},2026:update/{item.pk}/{get_language()}"
