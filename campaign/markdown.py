"""Organisers' Markdown, as HTML that can do no harm on any page, and as plain text for mails."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import nh3
from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from campaign.models import Picture
from campaign.showing import picture_tag

# Classes, ids and styles are left out: what organisers write gets its looks from the page that shows it.
_TAGS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "em", "strong"),
    *("a", "table", "thead", "tbody", "tr", "th", "td", "img", "figure", "figcaption"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "img": {"src", "srcset", "sizes", "width", "height", "alt", "loading", "decoding"},
}
_SCHEMES = {"http", "https", "mailto"}
_PICTURE = re.compile(r"picture:([A-Za-z0-9_-]+)")
# The same in the source, where it can be a name: as what a link, or the definition of one, leads to.
_NAMED = re.compile(r"(\]\(\s*<?|\]:\s*<?)picture:([A-Za-z0-9_-]+)(?![^\s>)])")
# How wide the column of a text is, in static/css/site.css.
PROSE = "(min-width: 44rem) 42rem, 100vw"
# So many characters a page that tells of more than the text shows whole, and of a longer text about so many.
LONG, BEGINNING = 2500, 1000


def _shift_headings(state: StateCore) -> None:
    """Make the highest heading an h2, whatever the writer began with: the page itself has the only h1."""
    headings = [token for token in state.tokens if token.type in {"heading_open", "heading_close"}]
    highest = min((int(token.tag[1]) for token in headings), default=1)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + 2, 6)}"


def _name(token: Token) -> str:
    """Return what `![words](picture:12)` calls a picture of ours."""
    match = _PICTURE.fullmatch(str(token.attrGet("src") or ""))
    return match[1] if match else ""


def _images(tokens: Sequence[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or () if child.type == "image"]


def _frame_pictures(state: StateCore) -> None:
    """Make a figure of a paragraph that holds nothing but a picture of ours."""
    for before, token, after in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        alone = token.children if token.type == "inline" and before.type == "paragraph_open" else None
        if alone and len(alone) == 1 and alone[0].type == "image" and _name(alone[0]):
            before.tag = after.tag = "figure"
            alone[0].meta["framed"] = True


def _picture(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Show a picture of ours that readers may see, else its words alone; a picture elsewhere is a link to it."""
    token = tokens[index]
    source = token.attrGet("src")
    name = _name(token)
    if not name:
        return format_html('<a href="{}">{}</a>', source, token.content or source)
    row = env["pictures"].get(name)
    if row is None:
        return format_html("{}", token.content)
    shown = picture_tag(row, PROSE, alt=token.content, site=env["site"])
    words = filter(None, (str(token.attrGet("title") or ""), row.credit))
    caption = format_html_join(" ", "{}", ((part,) for part in words)) if token.meta.get("framed") else ""
    return format_html("{}<figcaption>{}</figcaption>", shown, caption) if caption else shown


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _picture)
    parser.core.ruler.push("shift_headings", _shift_headings)
    parser.core.ruler.push("frame_pictures", _frame_pictures)
    return parser


def render(text: str, site: str = "") -> SafeString:
    """
    Return `text` (CommonMark and tables) as sanitised HTML.

    HTML in the text is shown as it was typed. `![words](picture:12)` shows picture 12, which can also be called by the
    beginning of its hash; other pictures become links: a page loads nothing from another host. `site` is what stands
    before the addresses of pictures, for readers elsewhere.
    """
    return _html(_parser().parse(text), site)


def _html(tokens: list[Token], site: str = "") -> SafeString:
    options: dict[str, Any] = {
        "tags": _TAGS,
        "attributes": _ATTRIBUTES,
        "url_schemes": _SCHEMES,
        "link_rel": "nofollow noopener",
    }
    names = {name for token in _images(tokens) if (name := _name(token))}
    rows = Picture.objects.released().prefetch_related("translations").by_name(names)
    html = _parser().renderer.render(tokens, _parser().options, {"pictures": rows, "site": site})
    return mark_safe(nh3.clean(html, **options))  # noqa: S308 - nh3 has just sanitised it


class Opening(NamedTuple):
    """How a text begins, and whether it goes on."""

    html: SafeString
    goes_on: bool


def opening(text: str) -> Opening:
    """Return a long text's first paragraphs, or the whole of one that is not long."""
    tokens = _parser().parse(text)
    if len(text) <= LONG:
        return Opening(_html(tokens), False)
    end, length = 0, 0
    for at, token in enumerate(tokens, 1):
        length += len(token.content)
        if token.level == 0 and token.nesting < 1 and token.type != "heading_close":
            if end and length > BEGINNING:
                break
            end = at
    return Opening(_html(tokens[:end]), end < len(tokens))


def names_of_pictures(text: str) -> list[str]:
    """Return what the Markdown calls pictures of ours."""
    return [name for _before, name in _NAMED.findall(text)]


def rename_pictures(text: str, new: Callable[[str], str]) -> str:
    """Return the Markdown with another name for each of our pictures."""
    return _NAMED.sub(lambda found: f"{found[1]}picture:{new(found[2])}", text)


def tree(text: str) -> SyntaxTreeNode:
    """Return `text` as the tree of its blocks, for what lays it out otherwise."""
    return SyntaxTreeNode(_parser().parse(text))


def plain(text: str) -> str:
    """Return `text` as it reads in a plain-text mail: a line a paragraph, and each link with its whole address."""
    return _blocks(tree(text).children)


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> str:
    return "\n\n".join(filter(None, map(_block, nodes)))


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "paragraph":
            words = _inline(node)
        case "heading":
            words = _inline(node)
            words += f"\n{'-' * min(len(words), 40)}" if words else ""
        case "bullet_list":
            words = "\n".join(f"- {_indented(item)}" for item in node.children)
        case "ordered_list":
            first = int(node.attrGet("start") or 1)
            words = "\n".join(f"{number}. {_indented(item)}" for number, item in enumerate(node.children, first))
        case "blockquote":
            words = "\n".join(f"> {line}".rstrip() for line in _blocks(node.children).split("\n"))
        case "code_block" | "fence":
            words = "\n".join(f"    {line}" for line in node.content.rstrip("\n").split("\n"))
        case "table":
            rows = [row for part in node.children for row in part.children]
            words = "\n".join(" | ".join(map(_inline, row.children)) for row in rows)
        case "hr":
            words = "* * *"
        case _:
            words = _blocks(node.children)
    return words


def _indented(item: SyntaxTreeNode) -> str:
    return re.sub(r"\n(?!\n)", "\n  ", _blocks(item.children))


def _inline(node: SyntaxTreeNode) -> str:
    inner = "".join(map(_inline, node.children))
    match node.type:
        case "text" | "code_inline":
            inner = node.content
        case "softbreak":
            inner = " "
        case "hardbreak":
            inner = "\n"
        case "image":
            inner = _with_address(node.content, str(node.attrGet("src") or ""))
        case "link":
            inner = _with_address(inner, str(node.attrGet("href") or ""))
        case "strong":
            inner = f"*{inner}*"
    return inner


def _with_address(words: str, address: str) -> str:
    """Return the words of a link with where it leads, if that is anywhere for who reads a mail."""
    where = written_out(words, address)
    return f"{words} ({where})".strip() if where else words


def written_out(words: str, address: str) -> str:
    """Return what a mail or a sheet of paper has to add to the words of a link: where it leads, unless they say so."""
    address = absolute(address)
    scheme, _colon, rest = address.partition(":")
    if not address or words in {address, rest}:
        return ""
    return rest if scheme == "mailto" else address


def absolute(address: str) -> str:
    """Return where a link leads for who does not read it on a page of ours, or "" if that is nowhere."""
    if address.startswith("/"):
        address = settings.BASE_URL + address
    scheme, _colon, rest = address.partition(":")
    return f"{scheme.lower()}:{rest}" if scheme.lower() in _SCHEMES else ""
