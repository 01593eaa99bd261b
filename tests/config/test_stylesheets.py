"""Stylesheets are served small, and mean the same."""

import re

import pytest
from django.conf import settings
from django.contrib.staticfiles.finders import find
from django.core.files import File

from config.stylesheets import StaticFiles, minified


def test_comments_and_indents_go_and_what_is_in_quotes_stays():
    css = """
/* A comment, { not a rule; */
.a > .b,
.c :is(td, th)::after {
  content: " ·  ; ";
  margin: 0 auto;
  padding: 0.5em calc(10.05em + 0.25em);
}

@media (min-width: 30em) {
  dl.meta { gap: clamp(1rem, 4vw, 2rem); }
}
"""
    assert minified(css) == (
        '.a>.b,.c :is(td,th)::after{content:" ·  ; ";margin:0 auto;padding:.5em calc(10.05em + .25em)}'
        "@media (min-width:30em){dl.meta{gap:clamp(1rem,4vw,2rem)}}"
    )


@pytest.mark.parametrize("name", ["css/site.css", "css/print.css", "css/admin.css"])
def test_every_brace_of_a_stylesheet_is_closed_where_it_should(name):
    with open(find(name)) as file:  # noqa: PTH123 - whatever the finder found
        css = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    depth = 0
    for line in css.splitlines():
        # A rule that begins in the first column is inside nothing.
        assert not (depth and re.match(r"[^\s}]", line)), line
        depth += line.count("{") - line.count("}")
    assert depth == 0


def test_our_stylesheets_are_collected_minified_and_the_admins_as_they_are(tmp_path):
    storage = StaticFiles(location=tmp_path)
    for name in ("css/site.css", "admin/css/base.css"):
        with open(find(name), "rb") as file:  # noqa: PTH123 - whatever the finder found
            file.read()  # who hashes a file leaves it at its end
            storage.save(name, File(file))
    site = (tmp_path / "css/site.css").read_text()
    assert site == minified((settings.BASE_DIR / "static/css/site.css").read_text()) == minified(site)
    assert b"/*" in (tmp_path / "admin/css/base.css").read_bytes()
