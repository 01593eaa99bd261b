"""A row of every model that the desk has a list of, and a thousand more like it."""

from copy import copy
from datetime import date, timedelta
from io import BytesIO
from itertools import count

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from parler.models import TranslatableModel

from campaign import models as campaign
from donations import collecting, disbursing
from donations import models as donations
from limits.models import Block
from organisers import auditing
from organisers.models import AuditEntry, Invitation
from outbox.models import TrialLetter
from privacy.tags import tag
from protests.models import Digest, MailDomain, SuspensionNotice
from tests import factories as make

# What no two rows have in common, beside keys; and the rows that each needs a new one of, because it has one at most.
DISTINCT = {
    *("slug", "number", "message_id", "token_hash", "email_tag", "sha256", "digest", "domain", "day", "username"),
}
DISTINCT_OF = {"auth.group": {"name"}, "protests.target": {"email"}, "organisers.auditentry": {"previous_hash", "hash"}}
# As what it is added, where the database wants it to go its way from there.
AT_FIRST = {
    "donations.bankaccount": {"approved_at": None, "approved_by_id": None, "valid_from": None, "payable": False},
}
_numbers = count(1)
ONE_EACH = {
    "protests.delivery": "signature",
    "campaign.labour": "strike",
    "campaign.mailing": "update",
    "campaign.mailingcopy": "subscriber",
    "donations.accountnotice": "organiser",
    "donations.allocation": "transaction",
}


def one_of_each():
    """Return a row of every registered model, by the model's label."""
    organiser, other = make.OrganiserFactory(), make.OrganiserFactory()
    account = make.BankAccountFactory()
    fund, strike = account.fund, account.fund.strike
    activist = make.ActivistFactory(strike=strike)
    update = make.UpdateFactory(strike=strike)
    subscriber = make.SubscriberFactory()
    mailing = campaign.Mailing.objects.create(update=update, created_by=organiser)
    letter = make.LetterFactory(strike=strike)
    signature = make.SignatureFactory(text=make.LetterTextFactory(letter=letter), confirmed=True)
    target = make.AddresseeFactory(letter=letter).target
    delivery = make.DeliveryFactory(signature=signature, target=target)
    pledge_mail = make.PledgeMailFactory(pledge=make.PledgeFactory(fund=fund, confirmed=True))
    transaction = make.TransactionFactory(fund=fund, pledge=pledge_mail.pledge)
    sheet = collecting.make(fund, "EUR")
    wanted = disbursing.request(
        donations.Disbursement(fund=fund, purpose="Bread", households=3, amount_minor=100, currency="EUR"), by=other
    )
    evidence = disbursing.add_evidence(wanted, BytesIO(b"%PDF-1.4\n%%EOF\n"), name="x.pdf", by=organiser)
    statement = donations.BankStatement(
        account=account, sha256="0" * 64, file_name="1.xml", format="camt", currency="EUR", lines_minor=2,
        read_count=1, new_count=1, known_count=0, rejected_count=0,
    )  # fmt: skip
    statement.save()
    rate = donations.Rate(
        from_currency="EUR", to_currency="SEK", millionths=11, source="A bank", dated_on=date(2011, 9, 1)
    )
    rate.save()
    picket = make.PicketFactory(strike=strike)
    now = timezone.now()
    rows = [
        *(organiser, Group.objects.get(name="Editor"), strike, activist, update, subscriber, mailing),
        campaign.Campaign.objects.first() or campaign.Campaign.objects.create(name="Solidarity"),
        make.ChargeFactory(activist=activist, steps=[(date(2011, 6, 1), "charged")]),
        make.MessageOfSupportFactory(strike=strike),
        make.DocumentFactory(strike=strike),
        campaign.MailingCopy.objects.create(mailing=mailing, subscriber=subscriber),
        campaign.MailingTrial.objects.create(mailing=mailing, organiser=organiser, language="en"),
        make.SubscriptionMailFactory(subscriber=subscriber),
        make.MyDataMailFactory(),
        *(letter, signature, signature.text, target, delivery),
        make.ConfirmationMailFactory(signature=signature),
        make.HoldFactory(text=signature.text),
        picket,
        make.PicketReportFactory(picket=picket),
        make.EndorsementFactory(strike=strike),
        make.SubmittedCommentFactory(update=update),
        make.PictureFactory(),
        make.LabourFactory(strike=strike),
        SuspensionNotice.objects.create(target=target, email="embassy@example.org", because="550 no"),
        Digest.objects.create(day=timezone.localdate(), since=now - timedelta(days=1), until=now),
        MailDomain.objects.create(domain="example.org", daily_cap=1000),
        *(fund, account, pledge_mail.pledge, pledge_mail, transaction, transaction.allocations.first(), sheet, wanted),
        *(evidence.file, statement, rate, make.PledgeHoldFactory(fund=fund)),
        donations.AccountNotice.objects.create(account=account, organiser=organiser, what="withdrawn"),
        Block.objects.create(domain="flood.example.org", reason="A flood"),
        TrialLetter.objects.create(organiser=organiser),
        Invitation.objects.create(invited_by=organiser, email="new@example.org", token_hash=tag("token", "new")),
    ]
    auditing.write("logged in", organiser.pk)
    rows.append(AuditEntry.objects.first())
    found = {row._meta.label_lower: row for row in rows}
    assert {*found} == {model._meta.label_lower for model in admin.site._registry}, "add a row of the new model here"
    return found


def more(row, times):
    """Insert `times` rows like this one."""
    model, label = type(row), row._meta.label_lower
    others = more(getattr(row, ONE_EACH[label]), times) if label in ONE_EACH else []
    distinct = {
        field for field in model._meta.concrete_fields if field.name in DISTINCT | DISTINCT_OF.get(label, set())
    }
    rows = []
    for place in range(times):
        new = copy(row)
        new._state = copy(row._state)
        new._state.fields_cache = {}
        new.pk, new._state.adding = None, True
        number = next(_numbers)
        for field in distinct:
            setattr(new, field.attname, _other(field, getattr(row, field.attname), number))
        for name, value in AT_FIRST.get(label, {}).items():
            setattr(new, name, value)
        if others:
            setattr(new, ONE_EACH[label], others[place])
        rows.append(new)
    # Not by the manager: what is posted is posted by the verbs alone.
    models.QuerySet(model).bulk_create(rows)
    if issubclass(model, TranslatableModel):
        texts = model._parler_meta.root_model
        some = [(copy(text), new) for new in rows for text in texts.objects.filter(master=row.pk)]
        for text, new in some:
            text.pk, text.master_id, text._state = None, new.pk, copy(text._state)
            text._state.adding = True
        models.QuerySet(texts).bulk_create([text for text, _new in some])
    return rows


def _other(field, value, number):
    if value is None:
        return None
    if isinstance(value, date):
        return value - timedelta(days=number)
    if isinstance(value, int):
        return value + number
    if field.max_length == 64:
        # An entry's own hash is not the one before it: the next entry could not go on from it.
        return f"{number:x}".rjust(64, "f" if field.name == "hash" else "0")
    if field.name == "number":
        return f"{number + 5_000_000_000:010d}"
    return f"{number}{value}"[: field.max_length]
