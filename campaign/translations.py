"""The translators' page of the desk: what is missing in a language, and what is behind."""

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from campaign import translating


def page(request: HttpRequest) -> HttpResponse:
    """Show what waits in a language; take the word that a translation still says the same."""
    if not translating.models_of(request.user):
        raise PermissionDenied
    names = dict(settings.LANGUAGES)
    chosen = request.POST.get("language") or request.GET.get("language") or ""
    language = chosen if chosen in names else settings.LANGUAGE_CODE
    if request.method == "POST":
        label, _colon, row = request.POST.get("row", "").partition(":")
        found = [
            one for one in translating.behind(request.user, language) if (one.label, str(one.row.pk)) == (label, row)
        ]
        if found and found[0].since:
            translating.still_right(label, found[0].row.pk, language)
            messages.success(request, _("Noted: “%(row)s” is still right.") % {"row": found[0].row})
        return HttpResponseRedirect(f"{reverse('admin:translations')}?language={language}")
    context = {
        **admin.site.each_context(request),
        "title": _("Translations that are missing or behind"),
        "languages": [(code, name, code == language) for code, name in names.items()],
        "language": language,
        "language_name": names[language],
        "rows": translating.behind(request.user, language),
    }
    return TemplateResponse(request, "campaign/admin/translations.html", context)
