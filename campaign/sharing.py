"""How a page is passed on: links that need no script of others, and the picture that services show beside the link."""

from hashlib import sha256
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import NamedTuple
from urllib.parse import quote

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from campaign import media_files
from campaign.models import Campaign
from campaign.typesetting import short, typeset

WIDTH, HEIGHT = 1200, 630
_PROGRAM = Path(__file__).with_suffix(".typ")
# Each takes a good part of a second of a processor: one at a time in each process, while one more request waits. The
# other threads are there for those who read.
_drawing, _places = Lock(), BoundedSemaphore(2)
_WAIT_SECONDS = 10


class Busy(Exception):
    """Others are being drawn: ask again later."""


class Link(NamedTuple):
    name: str
    url: str


def links(title: str, url: str) -> list[Link]:
    """Return where a reader can pass the page on. Nothing is loaded from there before they follow one."""
    text, link = _quoted(title), _quoted(url)
    both = f"{text}%20{link}"
    return [
        Link("WhatsApp", f"https://wa.me/?text={both}"),
        Link("Telegram", f"https://t.me/share/url?url={link}&text={text}"),
        Link("Mastodon", f"https://share.joinmastodon.org/#text={both}"),
        Link("Bluesky", f"https://bsky.app/intent/compose?text={both}"),
        Link("Facebook", f"https://www.facebook.com/sharer/sharer.php?u={link}"),
        Link("X", f"https://x.com/intent/post?url={link}&text={text}"),
        Link(_("E-mail"), f"mailto:?subject={text}&body={both}"),
    ]


def _quoted(text: str) -> str:
    """Quote what means something in an address. Browsers do it with letters: as such they make a page half as long."""
    return "".join(sign if sign.isalpha() else quote(sign, safe=":/") for sign in text)


class Card(NamedTuple):
    """What stands on the picture beside a link."""

    title: str
    site: str
    language: str

    @property
    def digest(self) -> str:
        """Changes with all that can be seen: a service that has kept a picture fetches the new one."""
        seen = "\0".join([*self, sha256(_PROGRAM.read_bytes()).hexdigest()])
        return sha256(seen.encode()).hexdigest()[:20]


def card(title: str, site: str) -> Card:
    return Card(title, site, short(get_language() or ""))


def site_name() -> str:
    campaign = Campaign.objects.prefetch_related("translations").first()
    return str(campaign) if campaign else _("Solidarity")


def drawn(card: Card) -> bytes:
    """Return the picture as PNG; it is drawn once. Raises Busy, or TypesettingError."""
    name = f"cards/{card.digest}.png"
    if (kept := media_files.path(name)).is_file():
        return kept.read_bytes()
    if not _places.acquire(blocking=False):
        raise Busy
    try:
        if not _drawing.acquire(timeout=_WAIT_SECONDS):
            raise Busy
        try:
            if kept.is_file():  # by who was before us
                return kept.read_bytes()
            content = typeset(_PROGRAM, card._asdict(), "png")
            media_files.write(name, content)
        finally:
            _drawing.release()
    finally:
        _places.release()
    return content
