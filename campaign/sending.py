"""How a form takes what a visitor sends in: the same for every such form, and the same answer for all who send."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from campaign import submitting
from campaign.cookieless import SeeOther
from campaign.forms import SendingForm
from limits.asking import proof_page
from limits.judging import sender


def take_form(request: HttpRequest, form: SendingForm, template: str, **context: Any) -> HttpResponse:
    """Show the form, or take what was posted. The view is `cookieless` and `cacheable`."""
    context["form"] = form
    if not form.is_bound:
        return render(request, template, context)
    if not form.is_valid():
        return render(request, template, context, status=400)
    verdict = submitting.take(sender(request, form.cleaned_data["email"]), form.sent())
    if verdict.ask:
        return proof_page(request, "campaign/prove_sent.html", request.path, form.fields)
    return SeeOther(reverse("campaign:sent"))
