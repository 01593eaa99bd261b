"""The letters that are sent: of a campaign as it is, some 2 KB each, in wordings that differ."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formataddr
from itertools import count
from typing import Any

from django.core.mail import EmailMessage
from django.db import connections
from django.utils import timezone

from outbox.models import State
from privacy.addresses import address_tag
from protests.emails import paper
from protests.models import Delivery, Letter, LetterText, Signature, Target
from tests.factories import AddresseeFactory, LetterFactory, TargetFactory

TARGETS = 25
HISTORY = 1_000_000
_SUBJECT = "[[Free the union's lawyer|The oil workers' lawyer belongs in freedom|Concerning an imprisoned lawyer]]"
_BODY = """{target},

{own_words}

[[I write to you about|I turn to you because of|I am deeply worried about]] the lawyer of the oil workers' union, who
has been in prison since the summer for having spoken to the strikers about their right to a collective agreement.

[[The strikers ask for nothing that your country has not promised|What they ask for stands in your country's own laws]]:
equal pay for equal work, a union that they choose themselves, and an employer who comes to the table. Since May more
than two thousand of them have lost their work. Their families live on what neighbours and colleagues share with them.

[[A lawyer who explains the law commits no crime|Whoever explains the law to workers commits no crime]]. The trial was
closed to observers, the defence was given two days to read the file, and the appeal was heard in her absence. Her
health suffers; a doctor of her choice has been refused four times. She is the mother of a small child.

[[I ask you to do what is in your power, so that|I urge you to use your influence, so that]]

- she is released at once, and the charge against her is dropped;
- the workers who were dismissed for striking are taken back;
- threats against the strikers, their families and their lawyers are investigated, and those responsible are named;
- the convention on the freedom of association, which your country has ratified, is kept.

[[Trade unions in many countries follow this case|People in many countries watch what becomes of her]]. I shall tell my
colleagues, my union and my member of parliament what your office answers, and I hope that it will be good news.

[[Yours faithfully,|With kind regards,]]
{name}
{organisation}
{country}
"""
_OWN_WORDS = (
    "I have worked as a fitter in Malmö for thirty years and was once on strike myself, for eleven weeks. Nobody went "
    "to prison for it, and when it was over we went back to work. I wish the same for your workers, number {number}."
)
_numbers = count()
_ARRAY = f"SELECT array_agg(id ORDER BY id) FROM {Target._meta.db_table}"  # noqa: S608 - a name of ours


@dataclass(frozen=True)
class Content:
    """What a letter says, for those who send it in another way."""

    subject: str
    body: str
    from_email: str
    to: str
    reply_to: str
    message_id: str

    def as_django(self, **how: object) -> EmailMessage:
        headers = {"Message-ID": self.message_id}
        return EmailMessage(
            self.subject, self.body, self.from_email, [self.to], reply_to=[self.reply_to], headers=headers, **how
        )


def write_campaign() -> None:
    """Write a letter and those whom it goes to."""
    letter = LetterFactory(subject=_SUBJECT, body=_BODY)
    text = LetterText.now(letter, "en")
    text.save()
    for number in range(TARGETS):
        salutation = f"Your Excellency, dear Ambassador no. {number}"
        AddresseeFactory(letter=letter, target=TargetFactory(salutation=salutation, daily_cap=None), rule="everybody")


def confirm(letters: int, database: str = "default") -> None:
    """Write confirmed signatures and the rows of so many letters, two for each signature, as signing.confirm does."""
    now = timezone.now()
    letter, text = Letter.objects.using(database).get(), LetterText.objects.using(database).get()
    targets = list(Target.objects.using(database).order_by("pk").values_list("pk", flat=True))
    signatures = []
    for number in (next(_numbers) for _ in range((letters + 1) // 2)):
        email = f"supporter-{number}@example.org"
        signatures.append(
            Signature(
                letter=letter,
                text=text,
                email=email,
                email_tag=address_tag(email),
                name=f"Zoë Example-{number}",
                organisation="Metalworkers of Example, branch 7",
                own_words=_OWN_WORDS.format(number=number),
                country="SE",
                locale="en",
                consent_version="bench",
                consented_at=now,
                confirmed_at=now,
            )
        )
    Signature.objects.using(database).bulk_create(signatures, batch_size=1000)
    Delivery.objects.using(database).bulk_create(
        [
            Delivery(signature=signatures[number // 2], target_id=targets[number % len(targets)])
            for number in range(letters)
        ],
        batch_size=1000,
    )


def forget(database: str) -> None:
    """Delete the letters that `confirm` wrote, and their signatures; the history stays."""
    written = Signature.objects.using(database).filter(consent_version="bench")
    Delivery.objects.using(database).filter(signature__in=written)._raw_delete(database)
    written._raw_delete(database)


def contents(letters: int) -> list[Content]:
    """Return what so many letters say; leaves no row behind."""
    confirm(letters)
    made = [_content(mail) for mail in Delivery.for_composing().order_by("pk")]
    forget("default")
    return made


def _content(mail: Delivery) -> Content:
    sheet = paper(mail.signature, mail.target)
    return Content(
        subject=sheet.subject,
        body=sheet.body,
        from_email=formataddr((sheet.from_name, sheet.from_address)),
        to=formataddr((sheet.target.name, sheet.target.email)),
        reply_to=sheet.reply_to,
        message_id=mail.message_id,
    )


def write_history(database: str) -> None:
    """Fill the table with letters of the past: accepted, 25 for each of 40,000 signatures."""
    confirm(1, database)
    now = timezone.now()
    Delivery.objects.using(database).update(state=State.ACCEPTED, attempts=1, settled_at=now, handing_over_at=now)
    with connections[database].cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # a million checks of foreign keys that we know to fit
        signatures, deliveries = Signature._meta.db_table, Delivery._meta.db_table
        past = f"now() - interval '1 hour' * (1 + n / {TARGETS} %% 4000)"
        multiply(
            cursor,
            signatures,
            f"generate_series(1, {HISTORY // TARGETS}) n",
            {"id": "10000000 + n", "email_tag": "NULL", "consent_version": "'past'", "confirmed_at": past},
        )
        multiply(
            cursor,
            deliveries,
            f"generate_series(0, {HISTORY - 1}) n",
            {
                "id": "DEFAULT",
                "signature_id": f"10000001 + n / {TARGETS}",
                "target_id": f"({_ARRAY})[1 + n %% {TARGETS}]",
                "message_id": "'<' || md5(n::text) || '@history.example.org>'",
                **dict.fromkeys(("created_at", "queued_at", "next_attempt_at", "handing_over_at", "settled_at"), past),
            },
        )
        cursor.execute("SET session_replication_role = DEFAULT")
    forget(database)


def multiply(cursor: Any, table: str, series: str, others: dict[str, str], pattern: str = "") -> None:
    """Copy the only row of the table, or of `pattern`, for each number `n` of a series, with others in some columns."""
    cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    columns = [name for (name,) in cursor.fetchall() if others.get(name) != "DEFAULT"]
    values = ", ".join(others.get(name, f"t.{name}") for name in columns)
    # `%%` in what is given, as everywhere in SQL that goes through Django
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {pattern or table} t, {series}",  # noqa: S608
        [],
    )


def tidy(database: str, tables: Iterable[str]) -> None:
    """Start every run from the same place: no dead rows, fresh statistics, no checkpoint due."""
    with connections[database].cursor() as cursor:
        for table in tables:
            cursor.execute(f"VACUUM (ANALYZE) {table}")
        cursor.execute("CHECKPOINT")
