"""What tests are made of, in the same spirit as the demo: invented people under example.org."""

from datetime import UTC, date, datetime

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone
from factory import Faker, LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from campaign import models as campaign
from donations import accounts, ledger, posting
from donations import models as donations
from privacy.addresses import address_tag, mailbox_tag
from privacy.tags import new_token, tag
from protests import models as protests

LONG_AGO = datetime(2011, 9, 1, 12, tzinfo=UTC)


class StrikeFactory(DjangoModelFactory):
    class Meta:
        model = campaign.Strike

    slug = Sequence("strike-{}".format)
    title = "Oil workers on strike"
    summary = "They have been on strike since May."
    story = "**Day after day** they meet on the square."
    published_at = LONG_AGO


class LabourFactory(DjangoModelFactory):
    """`LabourFactory(shares=[("wages", 1500), ...])` makes who gets how much, too."""

    class Meta:
        model = campaign.Labour
        skip_postgeneration_save = True

    strike = SubFactory(StrikeFactory)
    currency = "EUR"
    amount = 30000
    title = "A month of one worker's labour"
    rest = "For repairs"

    @factory.post_generation
    def shares(self, create, extracted, **kwargs):
        for position, (kind, amount) in enumerate(extracted or (), start=1):
            campaign.Share.objects.create(
                labour=self, position=position, kind=kind, amount=amount, label=kind, is_rounded=kind == "profit"
            )


class ActivistFactory(DjangoModelFactory):
    class Meta:
        model = campaign.Activist

    slug = Sequence("activist-{}".format)
    name = "Rosa Example"
    strike = SubFactory(StrikeFactory)
    role = "union lawyer"
    published_at = LONG_AGO


class ChargeFactory(DjangoModelFactory):
    """`ChargeFactory(steps=[(date, stage), ...])` makes its history too."""

    class Meta:
        model = campaign.Charge
        skip_postgeneration_save = True

    activist = SubFactory(ActivistFactory)
    title = "Seizure of private property"

    @factory.post_generation
    def steps(self, create, extracted, **kwargs):
        for happened_on, stage in extracted or ():
            campaign.ChargeUpdate.objects.create(charge=self, happened_on=happened_on, stage=stage)


class CustodyFactory(DjangoModelFactory):
    """A time in custody; without `ended_on`, one that lasts to this day."""

    class Meta:
        model = campaign.Custody

    activist = SubFactory(ActivistFactory)
    began_on = date(2011, 8, 3)


class MessageOfSupportFactory(DjangoModelFactory):
    class Meta:
        model = campaign.MessageOfSupport

    slug = Sequence("message-{}".format)
    strike = SubFactory(StrikeFactory)
    organisation = "Mineworkers' Union of Example"
    text = "We stand with you."
    published_at = LONG_AGO


class SubmittedMessageFactory(MessageOfSupportFactory):
    """What a visitor sent in; nobody has decided on it yet."""

    submitted_at = LazyFunction(timezone.now)
    consent_version = "test"
    contact = "nora@example.org"
    published_at = None


class EndorsementFactory(DjangoModelFactory):
    class Meta:
        model = campaign.Endorsement

    slug = Sequence("endorsement-{}".format)
    strike = SubFactory(StrikeFactory)
    organisation = "Dockers of Example"
    statement = "Carried without a vote against."
    published_at = LONG_AGO


class DocumentFactory(DjangoModelFactory):
    class Meta:
        model = campaign.Document

    slug = Sequence("document-{}".format)
    strike = SubFactory(StrikeFactory)
    kind = campaign.Document.Kind.MOTION
    title = "A motion for your branch"
    body = "This branch *resolves*."
    published_at = LONG_AGO


class PictureFactory(DjangoModelFactory):
    """A row without its files: campaign.picturing.take() makes both."""

    class Meta:
        model = campaign.Picture

    sha256 = Sequence("{:064x}".format)
    width, height = 1200, 600
    alt = "Workers on the square"
    published_at = LONG_AGO


class UpdateFactory(DjangoModelFactory):
    class Meta:
        model = campaign.Update

    slug = Sequence("update-{}".format)
    strike = SubFactory(StrikeFactory)
    title = "News from the square"
    summary = "What happened today."
    body = "They *stand*."
    published_at = LONG_AGO


class SubmittedCommentFactory(DjangoModelFactory):
    """What a reader sent in; nobody has decided on it yet."""

    class Meta:
        model = campaign.Comment

    update = SubFactory(UpdateFactory, comments="moderated")
    person = "Nora Berg"
    text = "We stand with them."
    submitted_at = LazyFunction(timezone.now)
    consent_version = "test"


class SubscriberFactory(DjangoModelFactory):
    """A subscriber who has confirmed; `unconfirmed=True` is one who has not."""

    class Meta:
        model = campaign.Subscriber
        skip_postgeneration_save = True

    class Params:
        unconfirmed = factory.Trait(confirmed_at=None)

    email = Sequence("reader-{}@example.org".format)
    email_tag = LazyAttribute(lambda subscriber: address_tag(subscriber.email))
    language = "en"
    consent_version = "test"
    consented_at = LazyFunction(timezone.now)
    confirmed_at = LazyFunction(timezone.now)

    @factory.post_generation
    def strikes(self, create, extracted, **kwargs):
        self.strikes.set(extracted or ())


class SubscriptionMailFactory(DjangoModelFactory):
    class Meta:
        model = campaign.SubscriptionMail

    subscriber = SubFactory(SubscriberFactory)
    token = LazyFunction(new_token)
    token_hash = LazyAttribute(lambda mail: tag("token", mail.token))
    expires_at = LazyFunction(lambda: timezone.now() + campaign.LINK_FOR)


class MyDataMailFactory(DjangoModelFactory):
    class Meta:
        model = campaign.MyDataMail

    email = Sequence("person-{}@example.org".format)
    email_tag = LazyAttribute(lambda mail: address_tag(mail.email))
    recipient_tag = LazyAttribute(lambda mail: mailbox_tag(mail.email))
    language = "en"
    token = LazyFunction(new_token)
    token_hash = LazyAttribute(lambda mail: tag("token", mail.token))
    expires_at = LazyFunction(lambda: timezone.now() + campaign.OPEN_FOR)


class LetterFactory(DjangoModelFactory):
    class Meta:
        model = protests.Letter

    slug = Sequence("letter-{}".format)
    strike = SubFactory(StrikeFactory)
    title = "Free the union's lawyer"
    subject = "Free the union's lawyer"
    body = "{target},\n\n{own_words}\n\nI ask you to release her.\n\n{name}\n{organisation}\n{country}"
    published_at = LONG_AGO


class TargetFactory(DjangoModelFactory):
    class Meta:
        model = protests.Target

    slug = Sequence("target-{}".format)
    name = Sequence("Embassy {}".format)
    salutation = "Dear Ambassador"
    email = Sequence("embassy-{}@example.org".format)


class AddresseeFactory(DjangoModelFactory):
    """`AddresseeFactory(letter=..., rule="own_country", countries=["DE"])` makes a target and its countries too."""

    class Meta:
        model = protests.Addressee
        skip_postgeneration_save = True

    letter = SubFactory(LetterFactory)
    target = SubFactory(TargetFactory)
    rule = protests.Addressee.Rule.EVERYBODY

    @factory.post_generation
    def countries(self, create, extracted, **kwargs):
        for country in extracted or ():
            protests.TargetCountry.objects.create(target=self.target, country=country, **kwargs)


class LetterTextFactory(DjangoModelFactory):
    class Meta:
        model = protests.LetterText

    letter = SubFactory(LetterFactory)
    language = "en"
    subject = LazyAttribute(lambda text: text.letter.subject)
    body = LazyAttribute(lambda text: text.letter.body)
    digest = LazyAttribute(lambda text: protests.LetterText.digest_of(text.language, text.subject, text.body))


class SignatureFactory(DjangoModelFactory):
    """An unconfirmed signature; `confirmed=True` confirms it, without writing its deliveries."""

    class Meta:
        model = protests.Signature

    class Params:
        confirmed = factory.Trait(confirmed_at=LazyFunction(timezone.now))

    text = SubFactory(LetterTextFactory)
    letter = LazyAttribute(lambda signature: signature.text.letter)
    name = Faker("name")
    email = Sequence("supporter-{}@example.org".format)
    email_tag = LazyAttribute(lambda signature: address_tag(signature.email))
    country = "DE"
    locale = "en"
    consent_version = "test"
    consented_at = LazyFunction(timezone.now)


class HoldFactory(DjangoModelFactory):
    class Meta:
        model = protests.Hold

    text = SubFactory(LetterTextFactory)
    letter = LazyAttribute(lambda held: held.text.letter)
    name = Sequence("Held {}".format)
    email = Sequence("held-{}@example.org".format)
    email_tag = LazyAttribute(lambda held: address_tag(held.email))
    country = "DE"
    display = "anonymous"
    locale = "en"
    consent_version = "test"
    consented_at = LazyFunction(timezone.now)
    why = "network"


class ConfirmationMailFactory(DjangoModelFactory):
    class Meta:
        model = protests.ConfirmationMail

    signature = SubFactory(SignatureFactory)
    token = LazyFunction(new_token)
    token_hash = LazyAttribute(lambda mail: tag("token", mail.token))
    expires_at = LazyFunction(lambda: timezone.now() + protests.RECEIPT_FOR)


class DeliveryFactory(DjangoModelFactory):
    class Meta:
        model = protests.Delivery

    signature = SubFactory(SignatureFactory, confirmed=True)
    target = SubFactory(TargetFactory)


class FundFactory(DjangoModelFactory):
    class Meta:
        model = donations.Fund

    slug = Sequence("fund-{}".format)
    strike = SubFactory(StrikeFactory)
    currencies = "EUR SEK"
    title = "Fund for the strikers' families"
    text = "For bread and rent."
    published_at = LONG_AGO


class BankAccountFactory(DjangoModelFactory):
    """An account in force, proposed and approved by two; with `payable=False`, a fact of a campaign's files."""

    class Meta:
        model = donations.BankAccount

    fund = SubFactory(FundFactory)
    holder = "Example Solidarity Fund"
    iban = "DE02100500000054540402"
    bic = "BELADEBE"
    payable = True

    @classmethod
    def _create(cls, model_class, *args, payable, **kwargs):
        account = accounts.propose(model_class(*args, **kwargs), by=OrganiserFactory() if payable else None)
        return accounts.approve(account, by=OrganiserFactory()) if payable else account


class PledgeFactory(DjangoModelFactory):
    class Meta:
        model = donations.Pledge

    class Params:
        confirmed = factory.Trait(confirmed_at=LazyFunction(timezone.now))

    fund = SubFactory(FundFactory)
    number = Sequence("7{:09d}".format)
    name = Faker("name")
    email = Sequence("donor-{}@example.org".format)
    email_tag = LazyAttribute(lambda pledge: address_tag(pledge.email))
    amount_minor = 2500
    currency = "EUR"
    locale = "en"
    consent_version = "test"
    consented_at = LazyFunction(timezone.now)
    made_on = LazyFunction(lambda: timezone.now().date())

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        made = super()._create(model_class, *args, **kwargs)
        if made.confirmed_at:
            ledger.record(donations.LedgerEvent.Kind.PLEDGE_CONFIRMED, model_class.objects.get(pk=made.pk))
        return made


class PledgeHoldFactory(DjangoModelFactory):
    class Meta:
        model = donations.PledgeHold

    fund = SubFactory(FundFactory)
    kind = "person"
    name = Sequence("Held {}".format)
    email = Sequence("held-{}@example.org".format)
    email_tag = LazyAttribute(lambda held: address_tag(held.email))
    amount_minor = 2500
    currency = "EUR"
    frequency = "once"
    display = "anonymous"
    locale = "en"
    consent_version = "test"
    consented_at = LazyFunction(timezone.now)
    why = "network"


class PledgeMailFactory(DjangoModelFactory):
    class Meta:
        model = donations.PledgeMail

    pledge = SubFactory(PledgeFactory)
    token = LazyFunction(new_token)
    token_hash = LazyAttribute(lambda mail: tag("token", mail.token))
    expires_at = LazyFunction(lambda: timezone.now() + donations.LINK_FOR)


class TransactionFactory(DjangoModelFactory):
    class Meta:
        model = donations.Transaction

    fund = SubFactory(FundFactory)
    amount_minor = 150000
    currency = "EUR"
    booked_on = LazyFunction(timezone.localdate)
    description = "Mineworkers in Sweden"

    @classmethod
    def _create(cls, model_class, *args, pledge=None, **kwargs):
        """Post it, through the verb; with a pledge, all of it is for that."""
        posted = posting.post(model_class(*args, **kwargs))
        if pledge:
            posting.allocate(posted, "pledge", posted.amount_minor, pledge=pledge, by=None)
        return posted


class OrganiserFactory(DjangoModelFactory):
    class Meta:
        model = get_user_model()

    username = Sequence("organiser-{}".format)
    is_staff = True
    is_superuser = True


class PicketReportFactory(DjangoModelFactory):
    class Meta:
        model = protests.PicketReport

    picket = SubFactory("tests.factories.PicketFactory")
    text = "We were many."
    published_at = LONG_AGO


class SubmittedReportFactory(PicketReportFactory):
    """What a visitor sent in; nobody has decided on it yet."""

    submitted_at = LazyFunction(timezone.now)
    consent_version = "test"
    contact = "nora@example.org"
    published_at = None


class PicketFactory(DjangoModelFactory):
    class Meta:
        model = protests.Picket

    slug = Sequence("picket-{}".format)
    strike = SubFactory(StrikeFactory)
    country = "GB"
    place = "London"
    published_at = LONG_AGO
