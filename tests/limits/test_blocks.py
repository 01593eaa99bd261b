from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from limits.models import Block, Post
from privacy.purging import purge
from tests.factories import OrganiserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"domain": "example.org", "network": "192.0.2.0/24"},
        {"domain": "example.org", "network_tag": "0" * 64},
        {"network": "192.0.2.0/24", "network_tag": "0" * 64},
        {"domain": "example.org", "reason": ""},
        {"domain": "Example.org"},
        {"domain": "a@example.org"},
    ],
)
def test_a_block_is_of_one_thing_for_a_reason(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Block.objects.create(**{"reason": "Flood", **wrong})


def test_a_network_is_written_in_one_way():
    block = Block(network=" 192.0.2.77/24 ", reason="Flood")
    block.full_clean()

    assert block.network == "192.0.2.0/24"
    with pytest.raises(ValidationError, match="no network"):
        Block(network="192.0.2.0/99", reason="Flood").full_clean()


def test_an_ipv4_network_in_the_spelling_of_ipv6_is_that_network():
    for typed, plain in {
        "::ffff:192.0.2.0/120": "192.0.2.0/24",
        "::ffff:192.0.2.1": "192.0.2.1/32",
        "::/0": "::/0",
        "::ffff:0:0/90": "::ffc0:0:0/90",
    }.items():
        block = Block(network=typed, reason="Flood")
        block.full_clean()
        assert block.network == plain


def test_it_ends_and_is_forgotten():
    Block.objects.create(domain="example.org", reason="Flood")

    with time_machine.travel(timezone.now() + timedelta(days=31), tick=False):
        assert not Block.objects.current().exists()
        purge()
    assert not Block.objects.exists()


def test_posts_are_forgotten_within_two_days():
    Post.objects.create(network_tag="0" * 64)

    with time_machine.travel(timezone.now() + timedelta(hours=23), tick=False):
        purge()
        assert Post.objects.count() == 1
    with time_machine.travel(timezone.now() + timedelta(hours=25), tick=False):
        purge()
    assert not Post.objects.exists()


def test_organisers_block_and_see_what_is_blocked(client):
    client.force_login(OrganiserFactory())
    form = {"domain": "spam.example.org", "network": "", "reason": "10,000 posts on Monday"}
    until = {"expires_at_0": "2040-01-01", "expires_at_1": "00:00"}

    assert client.post(reverse("admin:limits_block_add"), {**form, **until}).status_code == 302
    assert "10,000 posts on Monday" in client.get(reverse("admin:limits_block_changelist")).content.decode()
    both = client.post(reverse("admin:limits_block_add"), {**form, **until, "network": "192.0.2.1"})
    assert "one of the two" in both.content.decode()
    tagged = Block.objects.create(network_tag="ab" * 32, reason="Flood")
    page = client.get(reverse("admin:limits_block_change", args=[tagged.pk])).content.decode()
    assert "abababab…" in page
    assert tagged.network_tag not in page
