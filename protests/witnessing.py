"""What people tell of a picket they were at, and the pictures they took there."""

from datetime import datetime
from typing import Any, BinaryIO

from django.contrib.auth.models import AbstractBaseUser
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext as _

from campaign import picturing, submitting
from campaign.models import Picture
from protests.models import PicketReport

PICTURES = 5
# So long who has sent a report can add pictures to it.
_OPEN_FOR_SECONDS = 24 * 3600
_signer = signing.TimestampSigner(salt="protests.witnessing")


def token(report: PicketReport) -> str:
    """Return what opens the page for the report's pictures. Nothing of it is stored."""
    return _signer.sign(str(report.pk))


def of_token(token: str) -> PicketReport:
    """Return the report that waits for pictures, and for an organiser. Raises DoesNotExist."""
    try:
        pk = _signer.unsign(token, max_age=_OPEN_FOR_SECONDS)
    except signing.BadSignature as error:
        raise PicketReport.DoesNotExist from error
    return PicketReport.objects.waiting().get(pk=pk)


def add_picture(report: PicketReport, file: BinaryIO, *, alt: str, credit: str) -> None:
    """Keep a visitor's picture, which nobody sees before its report is published. Raises ValidationError."""
    # Before the transaction: it takes seconds, for which SQLite would let nobody else write.
    drawn = picturing.drawn(file)
    with transaction.atomic():
        waiting = PicketReport.objects.select_for_update().waiting().filter(pk=report.pk)
        if waiting.first() is None:
            raise ValidationError(_("The organisers have already looked at your report; it takes no more pictures."))
        if report.pictures.count() >= PICTURES:
            raise ValidationError(_("A report has %(most)d pictures at most."), params={"most": PICTURES})
        report.pictures.add(picturing.keep(drawn, alt=alt, credit=credit, by=None))


def publish(reports: QuerySet[PicketReport], by: AbstractBaseUser) -> int:
    """Let everybody read these and see their pictures from now on; return how many reports."""
    with transaction.atomic():
        pks = list(reports.filter(refused_at=None).values_list("pk", flat=True))
        show_pictures(pks, timezone.now())
        return submitting.publish(PicketReport.objects.filter(pk__in=pks), by=by)


def show_pictures(reports: list[int], at: datetime) -> None:
    """Let everybody see the pictures of these from then on, if nobody has said otherwise."""
    Picture.objects.filter(picket_reports__in=reports, published_at=None).update(published_at=at)


def hide_pictures(reports: list[int]) -> None:
    """Show the pictures no longer that came with these and stand in no other report."""
    others = PicketReport.objects.exclude(pk__in=reports).filter(published_at__isnull=False)
    theirs = Picture.objects.filter(picket_reports__in=reports, uploaded_by=None)
    shown_elsewhere = Picture.objects.filter(picket_reports__in=others)
    Picture.objects.filter(pk__in=theirs.values("pk")).exclude(pk__in=shown_elsewhere.values("pk")).update(
        published_at=None
    )


def withdraw(reports: QuerySet[PicketReport]) -> int:
    """Show these no longer, nor those of their pictures that came with them and stand in no other report."""
    with transaction.atomic():
        pks = list(reports.values_list("pk", flat=True))
        hide_pictures(pks)
        return PicketReport.objects.filter(pk__in=pks).update(published_at=None)


# Connected in every process: Django's admin, which imports this, is loaded with the apps.
@receiver(pre_delete, sender=PicketReport)
def drop_pictures(instance: PicketReport, **_signal: Any) -> None:
    """Delete with a report the pictures that came with it, published or not, unless an organiser uses one elsewhere."""
    theirs = Picture.objects.filter(picket_reports=instance.pk, uploaded_by=None)
    alone = Picture.objects.annotate(reports=Count("picket_reports")).filter(pk__in=theirs.values("pk"), reports=1)
    for picture in alone:
        if not picturing.is_used(picture):
            picture.delete()
