import pytest

from privacy.addresses import address_tag, canonical, mailbox_tag


@pytest.mark.parametrize(
    ("typed", "counted_as"),
    [
        ("nora@example.org", "nora@example.org"),
        (" Nora@EXAMPLE.org ", "nora@example.org"),
        ("nora@bücher.example.org", "nora@xn--bcher-kva.example.org"),
        ("n.o.r.a+strike@gmail.com", "nora@gmail.com"),
        ("nora@googlemail.com", "nora@gmail.com"),
        ("n.ora@example.org", "n.ora@example.org"),
        ("nora+strike@proton.me", "nora@proton.me"),
        ("+nora@proton.me", "+nora@proton.me"),
        ("ｎora@example.org", "nora@example.org"),
        ("nora@" + "x" * 70 + ".example.org", "nora@" + "x" * 70 + ".example.org"),
    ],
)
def test_spellings_of_one_mailbox_are_one_person(typed, counted_as):
    assert canonical(typed) == counted_as


def test_a_tag_depends_on_the_key(settings):
    before = address_tag("nora@example.org")
    settings.PRIVACY_TAG_KEY = "another"

    assert address_tag("nora@example.org") != before


def test_mails_are_counted_by_mailbox_whatever_follows_a_plus_sign():
    assert mailbox_tag("Victim+7@example.org") == mailbox_tag("victim@example.org")
    assert address_tag("Victim+7@example.org") != address_tag("victim@example.org")
    assert mailbox_tag("+7@example.org") != mailbox_tag("+8@example.org")
