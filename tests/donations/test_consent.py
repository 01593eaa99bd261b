"""What donors agreed to can be found again, word by word."""

from donations import consent


def test_every_version_that_donors_agreed_to_is_kept():
    """Rows carry these names: none goes, and none gets other words."""
    assert list(consent.TEXTS) == ["pledge-1", "pledge-2"]
    assert str(consent.TEXTS["pledge-1"]).endswith(
        "to show me on this site as I chose above. I know that giving to a strike fund says something about my "
        "opinions. I can withdraw"
        " the pledge at any time with the link in the mail; then my name and address are deleted."
    )


def test_who_agrees_today_agrees_to_showing_the_amount():
    assert consent.VERSION == "pledge-2"
    assert "show me and my amount on this site as I chose above" in consent.TEXTS[consent.VERSION]
