import pytest

from protests.likeness import name_tag, words_tag

TEXT = "I demand that you release her at once, because a strike is no crime and never was one"


@pytest.mark.parametrize("name", ["nora berg", "BERG, Nora", "Nóra  Berg 17", "Nora2 Berg!"])
def test_similar_names_are_alike(name):
    assert name_tag(name) == name_tag("Nora Berg")


def test_other_names_are_not():
    assert name_tag("Nora Bergman") != name_tag("Nora Berg")
    assert name_tag("Нора Берг") not in (name_tag("Nora Berg"), None)
    assert name_tag("123") is None


def test_words_are_alike_whatever_their_case_their_signs_and_numbers():
    assert words_tag(TEXT.upper() + "!!! 12345") == words_tag(TEXT)


def test_texts_that_share_most_of_their_words_are_mostly_alike():
    variants = {words_tag(f"{TEXT} {word}") for word in ("today", "now", "please", "friend", "comrades", "sirs")}

    assert len(variants) <= 2
    assert words_tag("Something else entirely, and quite different") not in variants
    assert words_tag("") is None
    assert words_tag("Yes") == words_tag("yes!")
