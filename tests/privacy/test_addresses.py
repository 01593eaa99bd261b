import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("nora@example.org.", "nora@example.org"),
        ("nora@XN--BCHER-KVA.example.org", "nora@xn--bcher-kva.example.org"),
        ("nora@bu\u0308cher.example.org", "nora@xn--bcher-kva.example.org"),  # the dots as a character of their own
        ("nora@straße.example.org", "nora@xn--strae-oqa.example.org"),  # another domain than strasse (IDNA 2008)
        ("nora@ｅｘａｍｐｌｅ。org", "nora@example.org"),
        ('"nora"@example.org', "nora@example.org"),
        ('"no\\ra"@example.org', "nora@example.org"),
        ("n-o_r.a@protonmail.com", "nora@proton.me"),
        ("nora@pm.me", "nora@proton.me"),
        ("nora+strike@yandex.kz", "nora@yandex.ru"),
        ("nora@ya.ru", "nora@yandex.ru"),
        ("nora@mac.com", "nora@icloud.com"),
        ("strike@nora.fastmail.com", "nora@fastmail.com"),
        ("nora+strike@fastmail.fm", "nora@fastmail.fm"),
        ("...@gmail.com", "...@gmail.com"),
        # Of these nobody says that they are one mailbox.
        ("nora-strike@yahoo.com", "nora-strike@yahoo.com"),
        ("nora+strike@example.org", "nora+strike@example.org"),
        ("nora@hotmail.com", "nora@hotmail.com"),
        ("a@b@gmail.com", "a@b@gmail.com"),
        ("", "@"),
    ],
)
def test_spellings_of_one_mailbox_are_one_person(typed, counted_as):
    assert canonical(typed) == counted_as


@given(
    st.text(st.characters(), max_size=40), st.sampled_from(["gmail.com", "proton.me", "x.fastmail.com", "bücher.de"])
)
def test_what_is_canonical_stays_so(local, domain):
    once = canonical(f"{local}@{domain}")
    assert once == canonical(once.upper()).lower() or not once.isascii()


def test_a_tag_depends_on_the_key(settings):
    before = address_tag("nora@example.org")
    settings.PRIVACY_TAG_KEY = "another"

    assert address_tag("nora@example.org") != before


def test_mails_are_counted_by_mailbox_whatever_follows_a_plus_sign():
    assert mailbox_tag("Victim+7@example.org") == mailbox_tag("victim@example.org")
    assert address_tag("Victim+7@example.org") != address_tag("victim@example.org")
    assert mailbox_tag("+7@example.org") != mailbox_tag("+8@example.org")
