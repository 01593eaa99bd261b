"""What is news."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import TruncMonth
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel, TranslatedFields

from campaign.models.people import Activist
from campaign.models.published import OfStrikeQuerySet, published_at
from campaign.models.strikes import Strike
from campaign.models.submitted import Submitted, SubmittedQuerySet
from campaign.models.voices import NAMED_FOR_DAYS
from privacy.fields import EncryptedTextField
from privacy.registry import ALL, Rule


def slug_is_free(slug: str) -> None:
    """Refuse the one address below /updates/ that the feed has."""
    if slug == "feed":
        raise ValidationError(_("This is the address of the feed. Choose another one."))


class UpdateQuerySet(OfStrikeQuerySet):
    def of_month(self, first: date) -> Self:
        """Those published in the month that begins with this day, by the site's clock."""
        midnight = datetime.combine(first, time(), timezone.get_current_timezone())
        following = (midnight + timedelta(days=31)).replace(day=1)
        return self.filter(published_at__gte=midnight, published_at__lt=following)

    def months(self) -> "models.QuerySet[Any, tuple[datetime, int]]":
        """Return each month with the number of updates in it, newest first."""
        months = self.order_by().annotate(month=TruncMonth("published_at")).values("month")
        return months.annotate(count=Count("pk")).order_by("-month").values_list("month", "count")

    def holding(self, words: Iterable[str]) -> Self:
        """Those with each of the words in title, summary or text in some language, or in a name of who is in it."""
        found = self
        for word in words:
            # SQLite knows upper and lower case of ASCII alone.
            spellings = {word, word.lower(), word.upper(), word.capitalize()}
            texts, names = Q(), Q()
            for spelling in spellings:
                for column in ("title", "summary", "body"):
                    texts |= Q((f"{column}__icontains", spelling))
                names |= Q(name__icontains=spelling) | Q(aliases__name__icontains=spelling)
            translations = self.model.translations.field.model.objects.filter(texts, master=OuterRef("pk"))
            people = Activist.objects.released().filter(names, news=OuterRef("pk"))
            found = found.filter(Exists(translations) | Exists(people))
        return found


class Update(TranslatableModel):
    """News of the campaign."""

    class Comments(models.TextChoices):
        OFF = "off", _("none")
        MODERATED = "moderated", _("each is read by an organiser first")

    not_personal = ALL

    slug = models.SlugField(_("address of the page"), unique=True, validators=[slug_is_free])
    strike = models.ForeignKey(
        Strike, models.SET_NULL, null=True, blank=True, related_name="news", verbose_name=_("strike")
    )
    activists = models.ManyToManyField(Activist, blank=True, related_name="news", verbose_name=_("activists"))
    translations = TranslatedFields(
        title=models.CharField(_("title"), max_length=200),
        summary=models.TextField(_("summary"), blank=True, help_text=_("One or two sentences for lists and the feed.")),
        body=models.TextField(_("text"), help_text=_("Markdown.")),
    )
    source = models.CharField(_("source"), max_length=200, blank=True)
    comments = models.CharField(
        _("comments"),
        max_length=10,
        choices=Comments,
        default=Comments.OFF,
        help_text=_("With none, those that were published before are not shown either."),
    )
    published_at = published_at()
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = UpdateQuerySet.as_manager()

    class Meta:
        verbose_name = _("update")
        verbose_name_plural = _("updates")
        ordering = ["-published_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(comments__in=["off", "moderated"]), name="campaign_update_comments_known"
            )
        ]

    def __str__(self) -> str:
        return self.safe_translation_getter("title", any_language=True) or self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:update", args=[self.slug])

    @property
    def takes_comments(self) -> bool:
        return self.comments == self.Comments.MODERATED


class CommentQuerySet(SubmittedQuerySet):
    def released(self) -> Self:
        """Those whose own date has come."""
        return self.filter(published_at__lte=timezone.now())


class Comment(Submitted):
    """What a reader says to an update, once an organiser has read it."""

    update = models.ForeignKey(Update, models.CASCADE, related_name="said", verbose_name=_("update"))
    person = EncryptedTextField(_("name"), blank=True, help_text=_("Shown with the comment."))
    text = models.TextField(_("comment"))

    objects = CommentQuerySet.as_manager()

    personal: ClassVar = Submitted.personal_submitted | {
        "person": Rule(_("To show who wrote it."), NAMED_FOR_DAYS, "submitted_at")
    }
    not_personal: ClassVar = Submitted.not_personal_submitted | {"update", "text"}

    class Meta(Submitted.Meta):
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["pk"]

    def __str__(self) -> str:
        return Truncator(self.text).chars(60)

    def get_absolute_url(self) -> str:
        return f"{self.update.get_absolute_url()}#comment-{self.pk}"
