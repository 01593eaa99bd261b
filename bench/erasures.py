"""Many who signed, of whom some are erased, and come back with a backup: for the drill `erasure`, and the suite."""

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from campaign import my_data
from outbox.models import State
from privacy.addresses import address_tag, mailbox_tag
from protests import tallying
from protests.models import Delivery, Letter, LetterText, Signature, Tally
from tests.factories import AddresseeFactory, LetterFactory, LetterTextFactory

COUNTRIES = ("DE", "SE", "KZ", "FR", "GB")


class Crowd:
    """People who signed a letter a day ago; half of the letters have left."""

    def __init__(self, count: int) -> None:
        self.letter: Letter = AddresseeFactory(letter=LetterFactory()).letter
        text: LetterText = LetterTextFactory(letter=self.letter)
        at = timezone.now() - timedelta(days=1)
        target = self.letter.targets.get()
        signed = Signature.objects.bulk_create(
            [
                Signature(
                    letter=self.letter,
                    text=text,
                    email=email,
                    email_tag=address_tag(email),
                    name=f"Nora Berg {number}",
                    country=COUNTRIES[number % 5],
                    locale="en",
                    display="public",
                    consent_version="test",
                    consented_at=at,
                    created_at=at,
                    confirmed_at=at,
                )
                for number, email in enumerate(self.emails(count))
            ],
            batch_size=500,
        )
        Delivery.objects.bulk_create(
            [
                Delivery(
                    signature=signature,
                    target=target,
                    state=State.ACCEPTED if number % 2 else State.QUEUED,
                    settled_at=at if number % 2 else None,
                )
                for number, signature in enumerate(signed)
            ],
            batch_size=500,
        )
        self.count = count

    def emails(self, count: int) -> list[str]:
        return [f"person-{number}@example.org" for number in range(count)]

    def figures(self) -> dict[str, Any]:
        """Return what the public sees: the count, and by country; and what embassies have got."""
        tallying.tally()
        stands = Signature.objects.counted().filter(letter=self.letter).order_by()
        return {
            "signed": Tally.objects.get(letter=self.letter).signed,
            "countries": Counter(dict(stands.values_list("country").annotate(Count("pk")))),
            "accepted": Delivery.objects.filter(state=State.ACCEPTED).count(),
        }

    def known(self) -> int:
        """Return of how many a name or an address is held."""
        return Signature.objects.exclude(name="", email="", email_tag=None).count()

    def erase(self, count: int) -> None:
        """Erase the first so many, one by one, keeping what a backup would bring back."""
        mine = Signature.objects.order_by("pk")[:count]
        self.backup = list(mine)
        for email in self.emails(count):
            my_data.erase(address_tag(email), mailbox_tag(email))

    def come_back(self) -> None:
        """Do what a restore does: bring back the rows as they were."""
        for signature in self.backup:
            signature.save()
