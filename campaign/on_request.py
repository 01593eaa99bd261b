"""The desk's page for somebody who writes in, on paper or by mail: to see what is held of an address, and erase it."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from campaign import my_data
from campaign.forms import MyDataForm
from campaign.models import MyDataMail
from privacy import holding
from privacy.addresses import address_tag, mailbox_tag
from privacy.erasing import NotRecorded
from privacy.tags import tag


@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Look for an address, show how much is held, and erase it if that is still what was shown."""
    user: Any = request.user
    if not user.has_perm("campaign.erase_person"):
        raise PermissionDenied
    form = MyDataForm(request.POST if request.method == "POST" else None)
    form.fields["email"].label = _("Their e-mail address")
    form.fields["email"].help_text = _("The one that they signed, pledged, wrote or subscribed with, in any spelling.")
    context = {**admin.site.each_context(request), "title": _("Somebody asks to be deleted"), "form": form}
    if form.is_valid():
        email = form.cleaned_data["email"]
        found = list(holding.find(address_tag(email)))
        seen = tag("erase", "\0".join(sorted(held.key for held in found)))
        if found and request.POST.get("erase") == seen:
            return _erased(request, email)
        context |= {
            "email": email,
            "counts": Counter(capfirst(str(held.title)) for held in found).most_common(),
            "erased": dict.fromkeys((held.title, held.erased) for held in found),
            "seen": seen,
            "changed_meanwhile": "erase" in request.POST,
        }
    return TemplateResponse(request, "campaign/admin/on_request.html", context)


def _erased(request: HttpRequest, email: str) -> HttpResponse:
    user: Any = request.user
    try:
        my_data.erase(address_tag(email), mailbox_tag(email))
    except NotRecorded:
        words = _("Nothing was erased: the file that remembers erasures cannot be written. Tell your operator.")
        messages.error(request, words)
    else:
        LogEntry.objects.create(
            user_id=user.pk,
            content_type=ContentType.objects.get_for_model(MyDataMail),
            object_repr="…",
            action_flag=CHANGE,
            change_message=_("Erased what was held of somebody who asked for it."),
        )
        messages.success(request, _("Erased. The counts stand, and nothing tells of this person any more."))
    return redirect("admin:on_request")
