from privacy.tags import new_token, tag


def test_tags_of_different_purposes_cannot_be_joined():
    assert tag("address", "x") == tag("address", "x")
    assert tag("address", "x") != tag("token", "x")
    assert tag("a", "b\0c") != tag("a\0b", "d")


def test_tokens_are_long_and_never_the_same():
    tokens = {new_token() for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(len(token) >= 32 for token in tokens)
