"""What only organisers change is read once for many posts, and again when they changed it."""

import pytest
from django.test import RequestFactory

from campaign import editions
from campaign.editions import KEY, remembered


@pytest.fixture
def asked(request):
    """A function that remembers under this test's own name; it counts in `asked.made` how often that was made anew."""

    def ask(edition=None, key="one"):
        with_edition = {} if edition is None else {KEY: lambda: edition}

        def make():
            ask.made += 1
            return ask.made

        return remembered(RequestFactory().get("/", **with_edition), (request.node.nodeid, key), make)

    ask.made = 0
    return ask


def test_it_is_made_once_as_long_as_the_edition_is_the_same(asked):
    assert [asked(5), asked(5), asked(5)] == [1, 1, 1]
    assert asked(6) == 2


def test_two_things_are_kept_apart(asked):
    assert [asked(5), asked(5, key="other"), asked(5), asked(5, key="other")] == [1, 2, 1, 2]


def test_it_is_kept_for_as_long_as_pages_are(asked, settings):
    settings.PAGE_SECONDS = 0

    assert [asked(5), asked(5)] == [1, 2]


def test_nothing_is_remembered_where_nobody_watches_for_changes(asked):
    assert [asked(), asked()] == [1, 2]


def test_what_fails_is_not_remembered():
    def fail():
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            remembered(RequestFactory().get("/", **{KEY: lambda: 5}), "failing", fail)


def test_the_memory_does_not_grow_without_end(asked, monkeypatch):
    monkeypatch.setattr("campaign.editions._MOST", 10)
    monkeypatch.setattr("campaign.editions._kept", {})
    for number in range(25):
        asked(5, key=number)

    assert len(editions._kept) <= 10
