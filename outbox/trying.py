"""A trial letter: one mail to the organiser's own address, by the way that every letter goes."""

from django.contrib.auth.models import AbstractUser

from outbox import tasks
from outbox.models import WAITING, State, TrialLetter


class NoAddress(Exception):
    """The organiser's account holds no e-mail address."""


def send_trial(organiser: AbstractUser) -> TrialLetter:
    """Queue a trial letter and return it; or the one that has not left yet. Raises NoAddress."""
    if not organiser.email:
        raise NoAddress
    waiting = TrialLetter.objects.filter(organiser_id=organiser.pk, state__in=(*WAITING, State.SENDING)).first()
    if waiting:
        return waiting
    letter = TrialLetter.objects.create(organiser_id=organiser.pk)
    tasks.send.delay_on_commit(TrialLetter._meta.label_lower)
    return letter
