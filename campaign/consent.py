"""What people agree to, by version: their row keeps the version, so that the words can be found again."""

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

# Who sends something in to be published.
SENDING = {
    "sending-1": _(
        "I agree that the campaign keeps what I typed here and, once an organiser has read it, publishes it on this "
        "site: everybody can read it then, and copy it. I know that it says something about my opinions, and I may "
        "speak for those whom it names. My e-mail address is not shown, and is deleted after 90 days. Whenever I ask "
        "for it, the organisers take down what I sent."
    ),
}
SENDING_VERSION = "sending-1"
