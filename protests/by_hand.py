"""Letters that people send without us: as a link to their own mail program, as a text to copy, on paper."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import override

from protests.addressing import recipients
from protests.emails import Paper, papers, with_places
from protests.models import Letter, LetterText, Signature, Target

# Some mail programs and some systems cut or refuse a longer link.
LONGEST_LINK = 2000
BLANK_LINE = "_" * 24


@dataclass(frozen=True)
class OwnMail:
    """A letter for somebody's own mail program; `link` is empty where the text is too long for one."""

    sheet: Paper
    link: str
    short_link: str


def mailto(address: str, subject: str, body: str = "") -> str:
    """Return a mailto link (RFC 6068), in which line ends are CRLF (section 5)."""
    local_part, _at, domain = address.rpartition("@")
    link = f"mailto:{quote(local_part, safe='')}@{quote(domain, safe='')}?subject={quote(subject, safe='')}"
    if body:
        link += "&body=" + quote(body.replace("\r\n", "\n").replace("\n", "\r\n"), safe="")
    return link


def own_mail(sheet: Paper) -> OwnMail:
    link = mailto(sheet.target.email, sheet.subject, sheet.body)
    return OwnMail(
        sheet=sheet,
        link=link if len(link) <= LONGEST_LINK else "",
        short_link=mailto(sheet.target.email, sheet.subject),
    )


def blanks(letter: Letter, country: str, language: str, *, on_paper: bool = False) -> list[Paper]:
    """Return the letters from `country`, with a place for the name that whoever sends them fills in."""
    text = LetterText.now(letter, language)
    with override(text.language):
        name = BLANK_LINE if on_paper else _("[your name]")
    return papers(Signature(letter=letter, text=text, country=country, name=name), recipients(letter, country))


def anywhere(letter: Letter, language: str, targets: Iterable[Target]) -> list[Paper]:
    """Return the letters to `targets` with places for the name and the country, for a page that asks for none."""
    return with_places(letter, LetterText.now(letter, language), targets)
