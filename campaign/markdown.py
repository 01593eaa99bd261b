"""Organisers' Markdown, as HTML that can do no harm on any page."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Classes, ids and styles are left out: what organisers write gets its looks from the page that shows it.
_TAGS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "em", "strong"),
    *("a", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


def _shift_headings(state: StateCore) -> None:
    """Make the highest heading an h2, whatever the writer began with: the page itself has the only h1."""
    headings = [token for token in state.tokens if token.type in {"heading_open", "heading_close"}]
    highest = min((int(token.tag[1]) for token in headings), default=1)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + 2, 6)}"


def _link_to_picture(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    source = token.attrGet("src")
    return format_html('<a href="{}">{}</a>', source, token.content or source)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _link_to_picture)
    parser.core.ruler.push("shift_headings", _shift_headings)
    return parser


def render(text: str) -> SafeString:
    """
    Return `text` (CommonMark and tables) as sanitised HTML.

    HTML in the text is shown as it was typed. Pictures become links: a page loads nothing from another host.
    """
    options: dict[str, Any] = {
        "tags": _TAGS,
        "attributes": _ATTRIBUTES,
        "url_schemes": _SCHEMES,
        "link_rel": "nofollow noopener",
    }
    return mark_safe(nh3.clean(_parser().render(text), **options))  # noqa: S308 - nh3 has just sanitised it
