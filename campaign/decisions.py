"""What waits for the organisers of the story: what visitors sent in, mailings to approve, what cannot appear yet."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from campaign import translating
from campaign.models import Campaign, Mailing, Strike, Update
from organisers.models import Invitation
from outbox.deciding import Step, User, Waiting, asks, begins, form_for, list_of, waiting


def _may(user: User, act: str, model: Any) -> bool:
    return user.has_perm(f"{model._meta.app_label}.{act}_{model._meta.model_name}")


def _with_columns(*names: str) -> list[Any]:
    """Return the models, of any app, that have all these columns."""
    return [model for model in apps.get_models() if {field.name for field in model._meta.fields} >= {*names}]


@begins
def story(user: User) -> Iterator[Step]:
    """The campaign's name, its first strike, a second organiser, the first update."""
    if user.has_perm("campaign.add_campaign"):
        yield Step(
            10,
            _("Give the campaign its name"),
            _("It stands on every page. Say where people reach you."),
            form_for(Campaign),
            done=Campaign.objects.exists(),
        )
    if user.has_perm("campaign.add_strike"):
        draft = Strike.objects.exclude(published_at__lte=timezone.now()).first()
        yield Step(
            20,
            _("Tell of the strike, and publish it"),
            _("A title, and two or three sentences on what happens. Demands, days and sources can follow later."),
            form_for(Strike, draft),
            done=Strike.objects.published().exists(),
        )
    if user.has_perm("organisers.add_invitation"):
        yield Step(
            50,
            _("Invite a second organiser"),
            _("Bank accounts and mailings need the approval of another person than the one who made them."),
            form_for(Invitation),
            done=get_user_model().objects.filter(is_staff=True, is_active=True)[1:2].exists(),
            optional=True,
        )
    if user.has_perm("campaign.add_update"):
        draft = Update.objects.exclude(published_at__lte=timezone.now()).first()
        yield Step(
            80,
            _("Write the first update, and publish it"),
            _("What has just happened. It stands on the home page at once."),
            form_for(Update, draft),
            done=Update.objects.published().exists(),
        )


@asks
def sent_in(user: User) -> Iterator[Waiting]:
    """What visitors sent in, of whatever kind; what the limits doubt is a list of its own."""
    for model in _with_columns("submitted_at", "refused_at", "hold"):
        # Who may change rows but add none changes their words alone (campaign.admin.published): nothing waits for them.
        if not (_may(user, "change", model) and _may(user, "add", model)):
            continue
        rows, names = model._default_manager.waiting(), model._meta.verbose_name_plural
        yield waiting(
            rows.filter(hold=""),
            "submitted_at",
            what=format_lazy(_("Sent in by visitors: {rows}"), rows=names),
            to_do=_("Read each, then publish or refuse it."),
            url=list_of(model, state="waiting"),
        )
        yield waiting(
            rows.exclude(hold=""),
            "submitted_at",
            what=format_lazy(_("Sent in, and doubtful: {rows}"), rows=names),
            to_do=_("The protection against abuse noticed something in these; it can be wrong."),
            url=list_of(model, state="doubtful"),
        )


@asks
def mailings(user: User) -> Iterator[Waiting]:
    if user.has_perm("campaign.approve_mailing"):
        yield waiting(
            Mailing.objects.filter(approved_at=None).exclude(created_by=user.pk),
            "created_at",
            what=_("Mailings that another organiser made"),
            to_do=_("Read the text, then send it to the subscribers, or talk to whoever made it."),
            url=list_of(Mailing, state="draft"),
        )
        yield waiting(
            Mailing.objects.stopped(),
            "stopped_at",
            what=_("Mailings that somebody stopped"),
            to_do=_("Let them go on, or leave them stopped for good if the text was wrong."),
            url=list_of(Mailing, state="stopped"),
        )


@asks
def waits_for_its_strike(user: User) -> Iterator[Waiting]:
    """What was to appear by now and does not, because its strike is a draft."""
    now = timezone.now()
    for model in _with_columns("strike", "published_at"):
        if _may(user, "change", model):
            yield waiting(
                model._default_manager.filter(published_at__lte=now, strike__isnull=False).exclude(
                    strike__published_at__lte=now
                ),
                "published_at",
                what=format_lazy(
                    _("Not seen yet, though their day has come: {rows}"), rows=model._meta.verbose_name_plural
                ),
                to_do=_("Their strike is a draft: publish it, or take these back to draft."),
                url=list_of(model),
            )


@asks
def translations(user: User) -> Iterator[Waiting]:
    """Texts that readers see, and that a language lacks or has an older version of."""
    yield from translating.work(user)
