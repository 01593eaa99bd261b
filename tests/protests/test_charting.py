from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from protests import charting
from tests.factories import HoldFactory, LetterTextFactory, OrganiserFactory, SignatureFactory

pytestmark = pytest.mark.django_db


def totals(*args):
    return [chart.total for chart in charting.charts(*args)]


def test_they_count_by_hour_and_by_day_per_letter_and_country():
    text = LetterTextFactory()
    now = timezone.now()
    SignatureFactory(text=text, confirmed=True)
    SignatureFactory(text=text, country="KZ", created_at=now - timedelta(hours=1))
    SignatureFactory(created_at=now - timedelta(days=5))
    SignatureFactory(created_at=now - timedelta(days=40))
    HoldFactory(text=text)

    assert totals() == [2, 3, 1, 1, 1, 1]
    assert totals(text.letter) == [2, 2, 1, 1, 1, 1]
    assert totals(text.letter, "KZ") == [1, 1, 0, 0, 0, 0]
    assert charting.countries() == [("DE", 2), ("KZ", 1)]
    assert charting.countries(text.letter) == [("DE", 1), ("KZ", 1)]


def test_the_bars_are_as_high_as_they_count():
    SignatureFactory.create_batch(4)
    SignatureFactory(created_at=timezone.now() - timedelta(hours=3))
    bars = [bar for bar in charting.charts()[0].bars if bar.count]

    assert [(bar.count, bar.height, bar.y) for bar in bars] == [(1, 25, 75), (4, 100, 0)]


def test_they_are_drawn_without_style_or_script_in_the_page(client, django_assert_max_num_queries):
    SignatureFactory.create_batch(3)
    url = reverse("admin:protests_letter_charts")
    assert client.get(url).status_code == 302
    client.force_login(OrganiserFactory())

    with django_assert_max_num_queries(18):
        response = client.get(url, {"country": "DE"})

    page = response.content.decode()
    assert "<rect" in page
    assert "style=" not in page
    assert client.get(url, {"letter": "x", "country": "\x00"}).status_code == 200
