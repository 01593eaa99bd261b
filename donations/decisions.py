"""What waits for the treasurers: bank lines, accounts and disbursements to approve, files, counts, held pledges."""

from collections.abc import Iterator

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations import reconciling
from donations.models import (
    BankAccount,
    BankStatement,
    CollectionSheet,
    Disbursement,
    Fund,
    Pledge,
    PledgeHold,
    StatementUpload,
)
from donations.posting import APPROVALS_NEEDED
from outbox.deciding import Series, Step, User, Waiting, asks, begins, counts, form_for, list_of, waiting


@begins
def fund(user: User) -> Iterator[Step]:
    """The fund, and an account that two organisers stand for."""
    if not (user.has_perm("donations.add_fund") and user.has_perm("donations.add_bankaccount")):
        return
    found = Fund.objects.first()
    draft = Fund.objects.exclude(published_at__lte=timezone.now()).first()
    yield Step(
        60,
        _("If you collect money: add the fund, and publish it"),
        _("What the money is for, and who answers for it."),
        form_for(Fund, draft),
        done=Fund.objects.published().exists(),
        optional=True,
    )
    accounts = BankAccount.objects.filter(withdrawn_at=None)
    proposed = accounts.filter(approved_at=None).exclude(proposed_by=None).exists()
    yield Step(
        70,
        _("Have the fund's bank account approved") if proposed else _("Propose the fund's bank account"),
        _("Another organiser compares it with the bank's paper and approves it. Donors see it only then.")
        if found
        else _("First add the fund."),
        list_of(BankAccount, state="proposed") if proposed else form_for(BankAccount) if found else form_for(Fund),
        done=accounts.exclude(approved_at=None).exists(),
        optional=True,
    )


@asks
def lines(user: User) -> Iterator[Waiting]:
    if user.has_perm("donations.add_allocation"):
        yield waiting(
            reconciling.waiting(),
            "booked_on",
            what=_("Bank lines that did not find their pledge"),
            to_do=_("Say what each was for."),
            url=reverse("admin:donations_desk"),
        )


@asks
def held(user: User) -> Iterator[Waiting]:
    if user.has_perm("donations.change_pledgehold"):
        yield waiting(
            PledgeHold.objects.waiting(),
            "created_at",
            what=_("Pledges that are held"),
            to_do=_("Release or refuse them. Nothing was sent yet."),
            url=list_of(PledgeHold),
        )


@asks
def approvals(user: User) -> Iterator[Waiting]:
    """What another one asked for, and this organiser can say yes to."""
    if user.has_perm("donations.change_bankaccount"):
        proposed = BankAccount.objects.filter(approved_at=None, withdrawn_at=None).exclude(proposed_by=None)
        yield waiting(
            proposed.exclude(proposed_by=user.pk),
            "proposed_at",
            what=_("Accounts that another organiser proposed"),
            to_do=_("Compare each with the bank's paper, letter for letter, then approve it."),
            url=list_of(BankAccount, state="proposed"),
        )
    if user.has_perm("donations.change_disbursement"):
        asked = Disbursement.objects.filter(cancellation=None).exclude(approvals__approved_by=user.pk)
        yield waiting(
            asked.annotate(given=Count("approvals")).filter(given__lt=APPROVALS_NEEDED),
            "requested_at",
            what=_("Disbursements without two approvals"),
            to_do=_("Read what each is for, then approve or cancel it."),
            url=list_of(Disbursement),
        )


@asks
def papers(user: User) -> Iterator[Waiting]:
    if user.has_perm("donations.add_bankstatement"):
        yield waiting(
            StatementUpload.objects.filter(state=StatementUpload.State.PREVIEWED),
            "uploaded_at",
            what=_("Bank statements that were uploaded and not imported"),
            to_do=_("Look at what the file holds, then import it."),
            url=list_of(BankStatement),
        )
    if user.has_perm("donations.change_collectionsheet"):
        yield waiting(
            CollectionSheet.objects.filter(counted_at=None).exclude(counter_one=None).exclude(counter_one=user.pk),
            "held_on",
            what=_("Collections that one organiser has counted"),
            to_do=_("Count the money yourself and write what you counted."),
            url=list_of(CollectionSheet),
        )


@counts
def by_day(user: User) -> Iterator[Series]:
    if user.has_perm("donations.view_pledge"):
        yield Series(
            "pledges",
            _("Pledges that were confirmed"),
            Pledge.objects.counted(),
            "confirmed_at",
            list_of(Pledge),
        )
