"""What waits for the organisers of letters: held signatures, targets that refuse, a pause that may be forgotten."""

from collections.abc import Iterator

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from outbox.deciding import (
    MOST_COUNTED,
    Series,
    Step,
    User,
    Waiting,
    asks,
    begins,
    counts,
    form_for,
    list_of,
    waiting,
)
from outbox.models import State
from protests import proving
from protests.models import Delivery, Hold, Letter, MailDomain, Signature, Target


@begins
def letter(user: User) -> Iterator[Step]:
    """Who gets letters, and the first letter."""
    if user.has_perm("protests.add_target"):
        yield Step(
            30,
            _("Enter who gets the letters"),
            _("Embassies, ministries, companies: name, salutation, e-mail address, countries."),
            form_for(Target),
            done=Target.objects.exists(),
            other_url=reverse("admin:protests_target_import") if user.has_perm("protests.change_target") else "",
            other=_("Import them from a table"),
        )
    if user.has_perm("protests.add_letter"):
        draft = Letter.objects.exclude(published_at__lte=timezone.now()).first()
        targets = Target.objects.order_by("pk").values_list("pk", flat=True)[:MOST_COUNTED]
        initial = {} if draft else {"targets": ",".join(map(str, targets))}
        yield Step(
            40,
            _("Write the letter, and publish it"),
            _("Supporters sign it, and each target gets it by e-mail. Look at the preview before you publish it."),
            form_for(Letter, draft, **initial),
            done=Letter.objects.published().exists(),
        )


@asks
def held(user: User) -> Iterator[Waiting]:
    if user.has_perm("protests.change_hold"):
        yield waiting(
            Hold.objects.waiting(),
            "created_at",
            what=_("Signatures that are held"),
            to_do=_("Look at what they have in common, then release or refuse them. Nothing was sent yet."),
            url=list_of(Hold),
        )


@asks
def targets(user: User) -> Iterator[Waiting]:
    if user.has_perm("protests.change_target"):
        yield waiting(
            Target.objects.suspended(),
            "suspended_at",
            what=_("Targets whose address refuses letters"),
            to_do=_("Their letters wait. Find the right address, or say that this one is right."),
            url=list_of(Target, suspended="yes"),
        )
        yield waiting(
            Target.objects.refusing(),
            "breaker__refused_at",
            what=_("Targets whose server refuses one letter after the other"),
            to_do=_(
                "It is left alone for a while and tried again by itself. Its words tell whether you can do something."
            ),
            url=list_of(Target),
        )


@asks
def pauses(user: User) -> Iterator[Waiting]:
    if user.has_perm("protests.change_maildomain"):
        yield waiting(
            MailDomain.objects.of_all().paused(),
            "paused_at",
            what=_("All letters are paused"),
            to_do=_("None leaves until somebody resumes them."),
            url=reverse("admin:protests_pause_all"),
        )


@asks
def log(user: User) -> Iterator[Waiting]:
    """The log of accepted letters that nobody signs any more: beat is down, or the log was changed."""
    head = proving.newest_head()
    if head and proving.is_old(head) and user.has_perm("protests.change_letter"):
        yield Waiting(
            what=_("The public log of accepted letters is not signed any more"),
            to_do=_("Tell your operator: the readiness page and `manage.py verify_log` say why."),
            url=reverse("admin:readiness"),
            found=1,
            oldest=head.day,
        )


@counts
def by_day(user: User) -> Iterator[Series]:
    if user.has_perm("protests.view_letter"):
        # The letters' and targets' keys are few; with them the indexes serve.
        letters = Letter.objects.order_by().values_list("pk", flat=True)
        yield Series(
            "signatures",
            _("Signatures that were confirmed"),
            Signature.objects.counted().filter(letter__in=list(letters)),
            "confirmed_at",
            reverse("admin:protests_letter_charts"),
        )
        sent = Delivery.objects.filter(state=State.ACCEPTED)
        yield Series(
            "letters",
            _("Letters that the targets' servers accepted") if settings.MAIL_LIVE else _("Letters in the sandbox"),
            sent.filter(target__in=list(Target.objects.order_by().values_list("pk", flat=True))),
            "settled_at",
            list_of(Delivery) if user.has_perm("protests.view_delivery") else reverse("admin:protests_letter_charts"),
        )
