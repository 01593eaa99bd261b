"""
Translations that are missing, or behind: written before the words were last changed in the language they come from.

Words come from the site's own language where there are any in it, else from the first of LANGUAGES in which there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.forms.models import _get_foreign_key
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from parler.models import TranslatableModel

from campaign.models import TextChange
from outbox.deciding import MOST_COUNTED, User, Waiting

# What is written or loaded in one go is no later change.
AT_ONCE = timedelta(minutes=1)
# In what order the languages are asked for the words that the others translate.
SOURCES = sorted(dict(settings.LANGUAGES), key=lambda code: code != settings.LANGUAGE_CODE)


@dataclass(frozen=True)
class Behind:
    """A row whose words are missing in a language, or older than those they come from."""

    row: Any
    url: str
    source: str
    since: datetime | None

    @property
    def label(self) -> str:
        return str(self.row._meta.label_lower)

    @property
    def kind(self) -> str:
        return str(self.row._meta.verbose_name)


def note_change(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Remember when words were changed; parler saves them only then."""
    _stamp(instance.shared_model._meta.label_lower, instance.master_id, instance.language_code)


def forget(sender: Any, instance: Any, **kwargs: Any) -> None:
    label = instance.shared_model._meta.label_lower
    TextChange.objects.filter(model=label, row=instance.master_id, language=instance.language_code).delete()


def still_right(label: str, row: int, language: str) -> None:
    """Record a person's finding that a translation still says what the changed words say."""
    _stamp(label, row, language)


def _stamp(label: str, row: int, language: str) -> None:
    change = TextChange(model=label, row=row, language=language, changed_at=timezone.now())
    TextChange.objects.bulk_create(
        [change],
        update_conflicts=True,
        unique_fields=["model", "row", "language"],
        update_fields=["changed_at"],
    )


def models_of(user: User) -> list[Any]:
    """Return the models whose words this organiser may change, on their own page at the desk or on another row's."""
    parents = _parents()
    return [
        model
        for model in apps.get_models()
        if issubclass(model, TranslatableModel)
        and (admin.site.is_registered(model) or model in parents)
        and user.has_perm(f"{model._meta.app_label}.change_{model._meta.model_name}")
    ]


@cache
def _parents() -> dict[Any, str]:
    """Return by model the key to the row on whose page it is edited, where it has no page of its own."""
    return {
        inline.model: _get_foreign_key(parent, inline.model, inline.fk_name).name
        for parent, desk in admin.site._registry.items()
        for inline in desk.inlines
        if not admin.site.is_registered(inline.model)
    }


def _address(row: Any, language: str) -> str:
    key = _parents().get(type(row))
    page = getattr(row, key) if key else row
    name = f"admin:{page._meta.app_label}_{page._meta.model_name}_change"
    return f"{reverse(name, args=[page.pk])}?language={language}"


def work(user: User) -> Iterator[Waiting]:
    """Yield for each language what waits to be translated, in one query each."""
    models = models_of(user)
    for code, name in settings.LANGUAGES if models else ():
        first, *others = (_behind(model, code).order_by().values_list("pk", "words_since") for model in models)
        found = list(first.union(*others, all=True)[: MOST_COUNTED + 1])
        yield Waiting(
            format_lazy(_("Translations into {language}: missing or behind"), language=name),
            _("Translate what is missing; where the words changed since, see whether the translation still fits."),
            f"{reverse('admin:translations')}?language={code}",
            len(found),
            min((since for _pk, since in found if since), default=None),
            decides=False,
        )


def behind(user: User, language: str) -> list[Behind]:
    """Return what waits to be translated into a language, at most so many of each kind as the desk counts."""
    names = dict(settings.LANGUAGES)
    return [
        Behind(
            row,
            _address(row, language),
            str(names.get(row.words_from, row.words_from)),
            row.words_since,
        )
        for model in models_of(user)
        for row in _behind(model, language).prefetch_related("translations").order_by("pk")[:MOST_COUNTED]
    ]


def _behind(model: Any, language: str) -> QuerySet[Any]:
    """
    Return the rows of which words are missing in a language or behind, with `words_from`, the language
    they come from. `words_since` is when that was last changed, where there is a translation; drafts wait for nobody.
    """
    texts = model._parler_meta.root_model.objects.filter(master=OuterRef("pk")).order_by()
    changes = TextChange.objects.filter(model=model._meta.label_lower, row=OuterRef("pk"))
    rows = model._default_manager.all()
    if any(field.name == "published_at" for field in model._meta.fields):
        rows = rows.filter(published_at__isnull=False)
    if key := _parents().get(model):
        rows = rows.select_related(key)
        if any(field.name == "published_at" for field in model._meta.get_field(key).related_model._meta.fields):
            rows = rows.filter(**{f"{key}__published_at__isnull": False})
    source = Case(*(When(Exists(texts.filter(language_code=code)), then=Value(code)) for code in SOURCES))
    rows = rows.annotate(words_from=source).filter(words_from__isnull=False).exclude(words_from=language)
    rows = rows.annotate(
        has_words=Exists(texts.filter(language_code=language)),
        words_newest=Subquery(changes.filter(language=OuterRef("words_from")).values("changed_at")),
        words_own=Subquery(changes.filter(language=language).values("changed_at")),
    )
    rows = rows.annotate(words_since=Case(When(has_words=True, then=F("words_newest"))))
    return rows.filter(Q(has_words=False) | Q(words_newest__gt=F("words_own") + AT_ONCE))
