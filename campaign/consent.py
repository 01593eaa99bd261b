"""What a subscriber agrees to, by version: a subscriber keeps the version, so that the words can be found again."""

from django.utils.translation import gettext_lazy as _

# A changed text gets a new version; the old ones stay. Who agreed when signing has a version of protests.consent.
TEXTS = {
    "updates-1": _(
        "I agree that the campaign keeps my e-mail address, encrypted, to write to me about what happens next, until I "
        "unsubscribe. I know that wanting such mails says something about my opinions. Each mail holds a link with "
        "which I leave; then my address is deleted."
    ),
}
VERSION = "updates-1"
