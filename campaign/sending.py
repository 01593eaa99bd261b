"""How a form takes what a visitor sends in: the same for every such form, and the same answer for all who send."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from campaign import submitting
from campaign.cookieless import SeeOther
from campaign.forms import SendingForm
from campaign.models import Submitted
from limits.asking import proof_page
from limits.judging import sender


def take_form(
    request: HttpRequest,
    form: SendingForm,
    template: str,
    then: Callable[[Submitted], str] | None = None,
    **context: Any,
) -> HttpResponse:
    """
    Show the form, or take what was posted. The view is `cookieless` and `cacheable`.

    `then` returns where who sent the row goes next, unless the limits doubt it.
    """
    context["form"] = form
    if not form.is_bound:
        return render(request, template, context)
    if not form.is_valid():
        return render(request, template, context, status=400)
    row = form.sent()
    verdict = submitting.take(sender(request, form.cleaned_data["email"]), row)
    if verdict.ask:
        return proof_page(request, "campaign/prove_sent.html", request.path, form.fields)
    return SeeOther(then(row) if then and not verdict.hold else reverse("campaign:sent"))
