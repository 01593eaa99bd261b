"""What a donor agrees to, by version: a pledge keeps the version, so that the words can be found again."""

from django.utils.translation import gettext_lazy as _

# A changed text gets a new version; the old ones stay.
TEXTS = {
    "pledge-1": _(
        "I agree that the campaign keeps my name, my e-mail address and my pledge for up to two years, to write to me "
        "about it, to recognise my gift when it arrives, and to show me on this site as I chose above. I know that "
        "giving to a strike fund says something about my opinions. I can withdraw the pledge at any time with the link "
        "in the mail; then my name and address are deleted."
    ),
    "pledge-2": _(
        "I agree that the campaign keeps my name, my e-mail address and my pledge for up to two years, to write to me "
        "about it, to recognise my gift when it arrives, and to show me and my amount on this site as I chose above. I "
        "know that giving to a strike fund says something about my opinions. I can change what is shown, and withdraw "
        "the pledge, at any time with the link in the mail; if I withdraw it, my name and address are deleted."
    ),
}
VERSION = "pledge-2"
