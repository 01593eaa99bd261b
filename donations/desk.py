"""The treasurer's desk in the admin: bank lines that wait for a person's word, and what was said, to take back."""

from dataclasses import replace
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from donations import money, posting, reconciling, references, suggesting
from donations.models import Allocation, CollectionSheet, Disbursement, Fund, Pledge, Transaction
from donations.reconciling import Part

Kind = Allocation.Kind

PAGE = 20
# What a part of a line may be for, in the words of the split form; deposits and disbursements are suggested.
KINDS = {
    Kind.PLEDGE: _("a pledge (write its number)"),
    Kind.GIFT: _("a gift without a pledge"),
    Kind.REFUND: _("given back to the donor (of a pledge: write its number)"),
    Kind.FEE: _("the bank's fee"),
    Kind.TRANSFER: _("passed through: own transfer, or not meant for us"),
}
# What a part names, where that is no pledge: the field of Part, and the model.
_TARGETS: dict[Kind, Any] = {
    Kind.DEPOSIT: ("sheet", CollectionSheet),
    Kind.DISBURSEMENT: ("disbursement", Disbursement),
}
# One press for all of a line: the button's word, what it means, and whether it is for money in, out, or both.
WHOLE = (
    (Kind.GIFT, _("A gift without a pledge"), 1),
    (Kind.REFUND, _("Given back to a donor"), -1),
    (Kind.FEE, _("The bank's fee"), -1),
    (Kind.TRANSFER, _("Own transfer, or not meant for us"), 0),
)


def written(part: Part) -> str:
    """Return a part as the page's buttons send it: kind, key of what it is for, amount."""
    target = part.pledge or part.sheet or part.disbursement
    return f"{part.kind}:{target.pk if target else ''}:{part.amount_minor}"


def _read_part(text: str) -> Part:
    """Read what `written` wrote. Raises ValidationError."""
    try:
        kind, key, amount = text.split(":")
        part = Part(Kind(kind).value, int(amount))
        if not key:
            return part
        role, model = _TARGETS.get(Kind(kind), ("pledge", Pledge))
        return replace(part, **{role: model.objects.get(pk=int(key))})
    except (ValueError, ObjectDoesNotExist) as error:
        raise ValidationError(_("This page is out of date. Please look again.")) from error


class AcceptForm(forms.Form):
    """What a button of the desk sends: the parts, and what was open of the line when the page was made."""

    left = forms.IntegerField()
    parts = forms.CharField(max_length=2000)

    def clean_parts(self) -> list[Part]:
        return [_read_part(text) for text in self.cleaned_data["parts"].split()]


class PartForm(forms.Form):
    """A row of the split form: so much of the line is for that."""

    kind = forms.ChoiceField(label=_("For"), required=False)
    pledge = forms.CharField(label=_("Number of the pledge"), max_length=60, required=False)
    amount = forms.CharField(
        label=_("Amount"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "size": 12}),
    )

    def __init__(self, *args: Any, line: Transaction, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.line = line
        comes_in = line.amount_minor > 0
        wrong = {Kind.REFUND} if comes_in else {Kind.PLEDGE, Kind.GIFT}
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", "---------"),
            *((kind.value, words) for kind, words in KINDS.items() if kind not in wrong),
        ]

    def clean_pledge(self) -> Pledge | None:
        typed = self.cleaned_data["pledge"].strip()
        if not typed:
            return None
        try:
            return Pledge.objects.get(number=references.number_from(typed))
        except (references.WrongReferenceError, Pledge.DoesNotExist) as error:
            raise ValidationError(_("No pledge has this number or reference.")) from error

    def clean(self) -> dict[str, Any]:
        """Read a row that is filled in; whatever is wrong with it is said at once."""
        data = self.cleaned_data
        kind, pledge = data.get("kind"), data.get("pledge")
        if kind == "":
            self.add_error("kind", _("Please choose what this part is for."))
        if kind == Kind.PLEDGE and "pledge" in data and not pledge:
            self.add_error("pledge", _("Please write the number of the pledge."))
        if pledge and kind and kind not in {Kind.PLEDGE, Kind.REFUND}:
            self.add_error("pledge", _("Only what is for a pledge, or given back of one, has its number."))
        if not data.get("amount"):
            self.add_error("amount", _("How much of the line?"))
            return data
        try:
            amount = money.parse_amount(data["amount"], self.line.currency)
        except ValidationError as error:
            self.add_error("amount", error)
            return data
        sign = 1 if self.line.amount_minor > 0 else -1
        data["part"] = Part(kind or "", sign * amount, pledge)
        return data


class _PartFormSet(forms.BaseFormSet):
    @property
    def parts(self) -> list[Part]:
        return [form.cleaned_data["part"] for form in self.forms if "part" in form.cleaned_data]

    def clean(self) -> None:
        if not any(self.errors) and not self.parts:
            raise ValidationError(_("Please fill in at least one row."))


PartFormSet = forms.formset_factory(PartForm, formset=_PartFormSet, extra=5, max_num=20, absolute_max=20)


class Desk:
    """Adds the desk's pages to the admin of transactions."""

    def get_urls(self) -> list[Any]:
        site: Any = self.admin_site  # type: ignore[attr-defined]
        return [
            path("desk/", site.admin_view(self.desk_view), name="donations_desk"),
            path("desk/<int:pk>/", site.admin_view(self.line_view), name="donations_desk_line"),
            path("desk/done/", site.admin_view(self.done_view), name="donations_desk_done"),
            path("desk/undo/<int:pk>/", site.admin_view(self.undo_view), name="donations_desk_undo"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def desk_view(self, request: HttpRequest) -> HttpResponse:
        """Show the lines that wait, oldest first, each with its suggestions."""
        _require(request, "donations.view_transaction")
        funds = list(Fund.objects.prefetch_related("translations").order_by("pk"))
        chosen = next((fund for fund in funds if str(fund.pk) == request.GET.get("fund")), None)
        work = reconciling.work(chosen.pk if chosen else None)
        page = Paginator(work.pks[: reconciling.MOST_COUNTED], PAGE).get_page(request.GET.get("page"))
        context = {
            "title": _("Bank lines that wait for your word"),
            "work": work,
            "page": page,
            "entries": _entries(list(page.object_list)),
            "funds": funds if len(funds) > 1 else [],
            "chosen": chosen,
            "may_accept": request.user.has_perm("donations.add_allocation"),
        }
        return self._page(request, "desk", context)

    def line_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show one line, to split it or to name a pledge; and take what any of the desk's buttons sends of it."""
        posts = request.method == "POST"
        _require(request, "donations.add_allocation" if posts else "donations.view_transaction")
        line = get_object_or_404(Transaction.objects.select_related("fund", "account"), pk=pk)
        form = AcceptForm(request.POST) if posts and "parts" in request.POST else None
        split: Any = PartFormSet(request.POST if posts and not form else None, form_kwargs={"line": line})
        if form and form.is_valid():
            return self._accept(request, line, form.cleaned_data["parts"], form.cleaned_data["left"])
        if form:
            return self._again(request, _t("This page is out of date. Please look again."))
        left = _left(request)
        if posts and left is not None and split.is_valid():
            return self._accept(request, line, split.parts, left)
        entries = _entries([pk])
        context = {
            "title": _("What was it for?"),
            "entry": entries[0] if entries else None,
            "line": line,
            "said": _said(_standing().filter(transaction=line)),
            "split": split,
            "may_accept": request.user.has_perm("donations.add_allocation"),
        }
        return self._page(request, "desk_line", context, status=400 if posts else 200)

    def done_view(self, request: HttpRequest) -> HttpResponse:
        """Show what was said of lines last, each to take back."""
        _require(request, "donations.view_transaction")
        who = request.GET.get("by", "")
        said = _standing()
        if who == "program":
            said = said.filter(made_by=None)
        elif who == "people":
            said = said.exclude(made_by=None)
        try:
            number = max(1, min(int(request.GET.get("page", "1")), 10_000))
        except ValueError:
            number = 1
        # One more than is shown, instead of a count of all.
        found = _said(said[(number - 1) * PAGE : number * PAGE + 1])
        context = {
            "title": _("What was decided last"),
            "said": found[:PAGE],
            "who": who,
            "number": number,
            "next": number + 1 if len(found) > PAGE else None,
            "may_accept": request.user.has_perm("donations.add_allocation"),
        }
        return self._page(request, "desk_done", context)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take back what was said of a line: its opposite is posted, and the line waits again."""
        _require(request, "donations.add_allocation")
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:donations_desk_done"))
        allocation = get_object_or_404(Allocation.objects.select_related("transaction__fund"), pk=pk)
        try:
            posting.undo(allocation, by=cast("User", request.user))
        except posting.AlreadyReversedError:
            return self._again(request, _t("This is undone already."))
        except posting.RefusedError as refused:
            return self._again(request, str(refused))
        line = allocation.transaction
        text = _t("Undone: %(what)s. The line waits again; both entries stay in the books.") % {"what": allocation}
        messages.success(request, text)
        return HttpResponseRedirect(reverse("admin:donations_desk_line", args=[line.pk]))

    def _accept(self, request: HttpRequest, line: Transaction, parts: list[Part], left: int) -> HttpResponse:
        try:
            made = reconciling.accept(line, parts, left_minor=left, by=cast("User", request.user))
        except reconciling.ChangedMeanwhileError:
            return self._again(
                request, _t("Somebody has decided on this line meanwhile. Nothing was done a second time.")
            )
        except posting.RefusedError as refused:
            return self._again(request, str(refused))
        what = "; ".join(f"{one} {one.pledge.number}" if one.pledge else str(one) for one in made)
        text = _t("Noted: %(what)s.") % {"what": what}
        url = reverse("admin:donations_desk_line", args=[line.pk])
        messages.success(request, format_html('{} <a href="{}">{}</a>', text, url, _t("Look at it, or undo it")))
        return self._back(request)

    def _again(self, request: HttpRequest, words: str) -> HttpResponse:
        messages.error(request, words)
        return self._back(request)

    def _back(self, request: HttpRequest) -> HttpResponse:
        """Return to the desk, with the fund that was chosen there."""
        fund = request.POST.get("fund", "")
        query = f"?fund={fund}" if fund.isascii() and fund.isdigit() else ""
        return HttpResponseRedirect(reverse("admin:donations_desk") + query)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        site: Any = self.admin_site  # type: ignore[attr-defined]
        request.current_app = site.name
        shared = {**site.each_context(request), "opts": self.opts}  # type: ignore[attr-defined]
        return TemplateResponse(request, f"donations/admin/{name}.html", {**shared, **context}, status=status)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _left(request: HttpRequest) -> int | None:
    try:
        return int(request.POST.get("left", ""))
    except ValueError:
        return None


def _standing() -> Any:
    """Return what stands of what was said, newest first, without a deposit's other end, which goes with it."""
    undone = Allocation.objects.filter(reverses=OuterRef("pk"))
    return Allocation.objects.filter(~Exists(undone), reverses=None, mirrors=None).order_by("-pk")


def _said(standing: Any) -> list[Allocation]:
    """Return these few with all that is shown of them; chosen first, because PostgreSQL would sort them all joined."""
    shown = Allocation.objects.filter(pk__in=list(standing.values_list("pk", flat=True)))
    related = ("transaction__fund", "pledge", "sheet", "disbursement", "made_by")
    return list(shown.select_related(*related).order_by("-pk"))


def _entries(pks: list[int]) -> list[dict[str, Any]]:
    """Return the lines that wait among these, with their suggestions, for the template."""
    waiting = reconciling.waiting().filter(pk__in=pks).select_related("fund", "account")
    lines: list[Any] = list(waiting.prefetch_related("fund__translations"))
    found = suggesting.suggestions(lines)
    return [
        {
            "line": line,
            "suggestions": [
                {"guess": guess, "written": " ".join(map(written, guess.parts))} for guess in found[line.pk]
            ],
            "whole": [
                {"words": words, "written": written(Part(kind, line.left_minor))}
                for kind, words, sign in WHOLE
                if sign * line.amount_minor >= 0
            ],
        }
        for line in lines
    ]
