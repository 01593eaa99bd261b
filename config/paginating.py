"""Pages of the admin's lists, without counting or sorting all the rows of a table."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Paginator
from django.db.models import CASCADE, PROTECT, Model, QuerySet
from django.db.models.deletion import get_candidate_relations_to_delete
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _

# Who looks at so many rows looks for one: the search and the filters find it, leafing through does not.
MOST_COUNTED = 10_000
# Of what stands in the way of deleting, so many are named; more are counted.
MOST_NAMED = 20


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST_COUNTED, and leafs no further either: a million rows cost no more than those."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._counted > MOST_COUNTED


class BoundedList(ChangeList):
    """Sorts by a column without an index only what it can count."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        if ORDER_VAR not in self.params or _is_indexed(rows) or not BoundedPaginator(rows, 1).more:
            return rows
        del self.params[ORDER_VAR]
        if request.method == "GET":
            told = _("More than %(count)s rows are not sorted by this column: search or filter first.")
            messages.warning(request, told % {"count": intcomma(MOST_COUNTED)})
        return rows.order_by(*self.get_ordering(request, self.root_queryset))


def _is_indexed(rows: QuerySet[Any]) -> bool:
    """Whether an index has the rows in their order already."""
    first = rows.query.order_by[0] if rows.query.order_by else "pk"
    if not isinstance(first, str):
        return False
    meta = rows.model._meta
    name = first.removeprefix("-")
    try:
        field = meta.pk if name == "pk" else meta.get_field(name)
    except FieldDoesNotExist:  # a column of another table
        return False
    if field.is_relation:  # in the order of that other table
        return False
    # Not those of several columns: rows alike in the first would still be sorted, in the order of their keys.
    alone = {
        index.fields[0].removeprefix("-") for index in meta.indexes if len(index.fields) == 1 and not index.condition
    }
    return field.unique or field.db_index or field.name in alone


class BoundedAdmin:
    """Mixed into every admin by the site: what keeps a list fast that other addresses than its own links ask for."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        its_own: type[ChangeList] = super().get_changelist(request, **kwargs)  # type: ignore[misc]
        return type(its_own.__name__, (BoundedList, its_own), {})

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse patterns, which no page of ours asks for: a wrong one is an error of the database."""
        if lookup.rpartition("__")[2] in {"regex", "iregex"}:
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[misc]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse at once to delete what other rows stand in the way of: Django reads all of them first."""
        model = self.model  # type: ignore[attr-defined]
        keys = objs.order_by().values("pk") if isinstance(objs, QuerySet) else [row.pk for row in objs]
        in_the_way: dict[type[Model], list[str]] = {}
        for rows in _protecting(model._base_manager.filter(pk__in=keys), frozenset({model})):
            if rows.model not in in_the_way and (told := list(self._told(rows))):
                in_the_way[rows.model] = told
        if in_the_way:
            return [], {}, set(), [line for told in in_the_way.values() for line in told]
        return super().get_deleted_objects(objs, request)  # type: ignore[misc]

    def _told(self, rows: QuerySet[Any]) -> Iterator[str]:
        """Name what rows there are, or say how many; nothing of none."""
        counted = BoundedPaginator(rows.order_by("pk"), MOST_NAMED)
        if counted.count > MOST_NAMED:
            text = _("%(rows)s: more than %(count)s") if counted.more else _("%(rows)s: %(count)s")
            yield text % {"rows": capfirst(rows.model._meta.verbose_name_plural), "count": intcomma(counted.count)}
            return
        for row in rows:
            yield self._linked(row)

    def _linked(self, row: Model) -> str:
        meta = row._meta
        name = capfirst(meta.verbose_name)
        try:
            url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(row.pk)])
        except NoReverseMatch:  # of a kind that has no page of its own
            return f"{name}: {row}"
        return format_html('{}: <a href="{}">{}</a>', name, url, row)


def _protecting(rows: QuerySet[Any], gone: frozenset[type[Model]]) -> Iterator[QuerySet[Any]]:
    """Yield what protects rows from being deleted, and what protects the rows that would go with them."""
    relations: Any = get_candidate_relations_to_delete(rows.model._meta)
    for relation in relations:
        model = relation.related_model
        related = model._base_manager.filter(**{f"{relation.field.name}__in": rows.values("pk")})
        if relation.on_delete is PROTECT:
            yield related
        elif relation.on_delete is CASCADE and model not in gone:
            yield from _protecting(related, gone | {model})
