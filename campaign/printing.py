"""A document to hand on as a PDF: organisers' Markdown, laid out by document.typ, which takes it as data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.text import capfirst
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from markdown_it.tree import SyntaxTreeNode

from campaign import markdown
from campaign.models import Campaign, Document
from campaign.typesetting import short, typeset_once

_PROGRAM = Path(__file__).with_name("document.typ")
Block = dict[str, Any]


def language_of(document: Document) -> str:
    """Return the language in which readers of the active one see the document."""
    wanted: str = document.get_current_language()
    known = document.get_available_languages()
    ranked = [wanted, *document.get_fallback_languages()]
    return next((language for language in ranked if language in known), wanted)


def pdf(document: Document, below: dict[str, Any] | None) -> bytes:
    """
    Return a document as a PDF, in the language in which it is there. Raises TypesettingError.

    `below` stands under the text, apart from it: a title, rows of facts, perhaps a code beside them, and a sentence.
    """
    with override(language_of(document)):
        return typeset_once(
            _PROGRAM,
            {
                "language": short(get_language() or "en"),
                "letterhead": str(Campaign.objects.first() or _("Solidarity")),
                "kind": capfirst(document.get_kind_display()),
                "title": document.title,
                "address": settings.BASE_URL + document.get_absolute_url(),
                "blocks": list(blocks(markdown.tree(document.body).children)),
                "below": below,
            },
        )


def blocks(nodes: list[SyntaxTreeNode]) -> Iterator[Block]:
    """Yield what Markdown holds as blocks of words, each with how they look."""
    for node in nodes:
        match node.type:
            case "paragraph":
                yield {"kind": "paragraph", "runs": _runs(node)}
            case "heading":
                yield {"kind": "heading", "level": int(node.tag[1]) - 1, "runs": _runs(node)}
            case "bullet_list" | "ordered_list":
                items = [list(blocks(item.children)) for item in node.children]
                first = int(node.attrGet("start") or 1) if node.type == "ordered_list" else None
                yield {"kind": "list", "first": first, "items": items}
            case "blockquote":
                yield {"kind": "quote", "blocks": list(blocks(node.children))}
            case "code_block" | "fence":
                yield {"kind": "code", "text": node.content.rstrip("\n")}
            case "table":
                rows = [[_runs(cell) for cell in row.children] for part in node.children for row in part.children]
                yield {"kind": "table", "rows": rows}
            case "hr":
                yield {"kind": "rule"}


def _runs(node: SyntaxTreeNode, **looks: Any) -> list[Block]:
    """Return the words in a line of Markdown, cut where their looks change."""
    found: list[Block] = []
    for child in node.children:
        match child.type:
            case "inline":
                found += _runs(child, **looks)
            case "text" | "code_inline":
                found.append({"text": child.content, **looks, "code": child.type == "code_inline"})
            case "softbreak" | "hardbreak":
                found.append({"text": " " if child.type == "softbreak" else "\n", **looks})
            case "strong":
                found += _runs(child, **{**looks, "bold": True})
            case "em":
                found += _runs(child, **{**looks, "italic": True})
            case "link" | "image":
                found += _link(child, **looks)
    return found


def _link(node: SyntaxTreeNode, **looks: Any) -> list[Block]:
    """Return a link with where it leads, which paper cannot be pressed to tell."""
    address = str(node.attrGet("src" if node.type == "image" else "href") or "")
    url = markdown.absolute(address)
    words = [{"text": node.content, **looks}] if node.type == "image" else _runs(node, **looks)
    where = markdown.written_out("".join(word["text"] for word in words), address)
    linked = [{**word, "url": url} for word in words] if url else words
    return [*linked, {"text": f" ({where})", **looks}] if where else linked
