"""The mail that brings an invitation."""

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from organisers import inviting
from organisers.models import INVITED_FOR, Invitation
from outbox.messages import PlainText, Withdrawn, composes, plain_text, render_text


@composes(Invitation)
def invitation(mail: Invitation) -> PlainText:
    """Compose an invitation. Raises Withdrawn once its link is over."""
    if mail.user_id or mail.withdrawn_at or mail.expires_at <= timezone.now():
        raise Withdrawn("The invitation is over.")
    with override(mail.language):
        context = {
            "site": settings.BASE_URL,
            "link": inviting.link(mail.token),
            "by": mail.invited_by.get_username(),
            "hours": int(INVITED_FOR.total_seconds() // 3600),
        }
        message = plain_text(
            to=mail.email,
            subject=render_text("organisers/emails/invitation_subject.txt", context),
            body=render_text("organisers/emails/invitation.txt", context),
            message_id=mail.message_id,
            from_name=_("Solidarity"),
        )
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    return message
