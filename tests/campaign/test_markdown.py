import re

import pytest

from campaign.markdown import opening, plain, render
from tests.factories import PictureFactory

# Each is a known way to smuggle a script or a foreign request past a filter.
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=//evil.example.org></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "<javascript:alert(1)>",
    "![x](https://evil.example.org/pixel.png)",
    "![x](data:image/png;base64,AAAA)",
    '![x](https://evil.example.org/"onerror="alert(1))',
    '![x" onerror="alert(1)](https://evil.example.org/)',
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://example.org "x\\" onmouseover=alert(1) ")',
    "`<script>alert(1)</script>`",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "| <script>alert(1)</script> |\n|-|\n| <img src=x onerror=alert(1)> |",
    "<style>@import url(//evil.example.org)</style>",
    "<form action=//evil.example.org><input name=q></form>",
    "<!-- --!><script>alert(1)</script> -->",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<p style='background:url(//evil.example.org)'>x</p>",
    '<meta http-equiv="refresh" content="0;url=//evil.example.org">',
]
ALLOWED_TAG = re.compile(
    r"</?(?:p|br|hr|h[2-6]|blockquote|ul|ol|li|pre|code|em|strong|table|thead|tbody|tr|th|td|a)>"
    r'|<a(?: href="[^"]*")?(?: title="[^"]*")? rel="nofollow noopener">'
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_runs_or_loads_comes_out(attack):
    html = render(attack)
    tags = re.findall(r"<[^>]*>", html)
    assert [tag for tag in tags if not ALLOWED_TAG.fullmatch(tag)] == []
    assert not re.search(r'href="[^"]*(javascript|vbscript|data):', html, re.IGNORECASE)


def test_html_is_shown_as_it_was_typed():
    assert render("<b>bold</b>") == "<p>&lt;b&gt;bold&lt;/b&gt;</p>\n"


@pytest.mark.parametrize(
    ("typed", "tags"),
    [
        ("# One", ["h2"]),
        ("One\n===", ["h2"]),
        ("# One\n## Two\n# Three", ["h2", "h3", "h2"]),
        ("## One\n### Two", ["h2", "h3"]),
        ("# One\n###### Six", ["h2", "h6"]),
        ("> # Quoted", ["h2"]),
    ],
)
def test_headings_begin_below_the_one_of_the_page_whatever_the_writer_began_with(typed, tags):
    assert re.findall(r"<(h\d)>", render(typed)) == tags


def test_links_do_not_vouch_for_where_they_lead():
    assert '<a href="https://example.org/" rel="nofollow noopener">x</a>' in render("[x](https://example.org/)")
    assert '<a href="/letters/x/" rel="nofollow noopener">x</a>' in render("[x](/letters/x/)")
    assert 'href="mailto:a@example.org"' in render("<a@example.org>")


def test_a_picture_becomes_a_link():
    assert render("![the square](https://example.org/a.jpg)") == (
        '<p><a href="https://example.org/a.jpg" rel="nofollow noopener">the square</a></p>\n'
    )


def test_tables_lists_and_quotes_work():
    assert "<td>16,000</td>" in render("| workers |\n|-|\n| 16,000 |")
    assert '<ol start="3">' in render("3. three")
    assert "<blockquote>" in render("> said")


def test_an_empty_text_is_an_empty_text():
    assert render("") == ""


def test_other_scripts_pass_unchanged():
    assert render("Жаңаөзен *мұнайшылары*") == "<p>Жаңаөзен <em>мұнайшылары</em></p>\n"


@pytest.mark.parametrize(
    ("typed", "reads"),
    [
        ("one\ntwo", "one two"),
        ("# Day *one*\n\nWe **stand**.", "Day one\n-------\n\nWe *stand*."),
        ("[here](/letters/a/)", "here (http://127.0.0.1:8000/letters/a/)"),
        ("<https://example.org/a>", "https://example.org/a"),
        ("[write](mailto:a@example.org) <b@example.org>", "write (a@example.org) b@example.org"),
        ("[x](#part) [y](ftp://example.org)", "x y"),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("![the square](/media/a.jpg)", "the square (http://127.0.0.1:8000/media/a.jpg)"),
        ("- one\n- two\n  - three", "- one\n- two\n\n  - three"),
        ("3. one\n4. two", "3. one\n4. two"),
        ("> said\n>\n> twice", "> said\n>\n> twice"),
        ("```\ncode\n  more\n```", "    code\n      more"),
        ("| a | b |\n|---|---|\n| 1 | [2](/x/) |", "a | b\n1 | 2 (http://127.0.0.1:8000/x/)"),
        ("a  \nb\n\n---\n\n<b>c</b>", "a\nb\n\n* * *\n\n<b>c</b>"),
        ("", ""),
    ],
)
def test_markdown_reads_well_as_plain_text(typed, reads):
    assert plain(typed) == reads


# --- Pictures of ours ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_picture_alone_is_a_figure_with_its_words_and_its_credit():
    row = PictureFactory(credit="Nora & Co")
    html = render(f'Before\n\n![](picture:{row.pk} "The <square>")\n\nAfter')
    assert html.startswith("<p>Before</p>\n<figure><img ")
    assert f'src="{row.versions[0].url}"' in html
    assert 'alt="Workers on the square"' in html
    assert "<figcaption>The &lt;square&gt; Nora &amp; Co</figcaption></figure>\n<p>After</p>" in html


@pytest.mark.django_db
def test_a_picture_within_a_sentence_has_no_caption_and_the_writers_words():
    row = PictureFactory(credit="Nora")
    html = render(f"See ![the gate](picture:{row.pk}) here.")
    assert html.startswith('<p>See <img src="/media/')
    assert 'alt="the gate"' in html
    assert "figcaption" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("source", ["picture:99", "picture:0", "picture:x", "picture:999999999999999999"])
def test_a_picture_that_is_not_there_leaves_its_words(source):
    html = render(f"![a crowd]({source})")
    assert "a crowd" in html
    assert "<img" not in html


@pytest.mark.django_db
def test_a_draft_of_a_picture_is_not_shown():
    row = PictureFactory(published_at=None)
    assert render(f"![a crowd](picture:{row.pk})") == "<figure>a crowd</figure>\n"


@pytest.mark.django_db
def test_all_pictures_of_a_text_are_read_at_once(django_assert_num_queries):
    text = "\n\n".join(f"![](picture:{PictureFactory().pk})" for _ in range(5))
    with django_assert_num_queries(2):
        assert render(text).count("<img") == 5


@pytest.mark.django_db
def test_readers_elsewhere_get_whole_addresses():
    row = PictureFactory()
    html = render(f"![](picture:{row.pk})", "https://campaign.example.org")
    assert f'src="https://campaign.example.org{row.versions[0].url}"' in html
    assert html.count("https://campaign.example.org/media/") == 3


def test_a_mail_has_the_words_of_a_picture_alone():
    assert plain("![the gate](picture:3)") == "the gate"


def test_a_text_that_is_not_long_opens_whole():
    text = "One.\n\n# Two\n\n" + "Three. " * 300
    assert opening(text) == (render(text), False)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("One.\n\n" + "Two. " * 600, "<p>One.</p>"),
        ("# One\n\n" + "Two. " * 600 + "\n\nThree.", "<h2>One</h2>\n<p>Two. "),
        ("- " + "one " * 700 + "\n- two\n\nThree.", "<ul>\n<li>one "),
        ("One. " * 250 + "\n\n# Two\n\n" + "Three. " * 600, "<p>One. "),
    ],
)
def test_a_long_text_opens_with_whole_paragraphs_and_never_ends_with_a_heading(text, begins):
    html, goes_on = opening(text)
    assert goes_on
    assert html.startswith(begins)
    assert render(text).startswith(html)
    assert not html.endswith("</h2>\n")
    assert "Three" not in html


def test_a_long_text_of_one_paragraph_is_shown_whole():
    text = "One. " * 600
    assert opening(text) == (render(text), False)
