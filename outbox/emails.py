"""The one mail that outbox itself sends."""

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from outbox.messages import PlainText, Withdrawn, composes, plain_text, render_text
from outbox.models import TrialLetter


@composes(TrialLetter)
def trial(mail: TrialLetter) -> PlainText:
    """Compose a trial letter, in the site's own language. Raises Withdrawn if the account has no address any more."""
    if not mail.organiser.email:
        raise Withdrawn("The organiser's account holds no e-mail address any more.")
    context = {
        "site": settings.BASE_URL,
        "live": settings.MAIL_LIVE,
        "asked_at": mail.created_at,
        "now": timezone.now(),
    }
    message = plain_text(
        to=mail.organiser.email,
        subject=render_text("outbox/emails/trial_subject.txt", context),
        body=render_text("outbox/emails/trial.txt", context),
        message_id=mail.message_id,
        from_name=_("Solidarity"),
    )
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    return message
