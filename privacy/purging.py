"""Deleting what is past its date, as the registry says."""

from django.db import transaction

from privacy.registry import our_models, rules


@transaction.atomic
def purge() -> dict[str, int]:
    """
    Delete rows and empty columns that are past their date. Return how many, by name.

    A model with a queryset method `expired()` loses those rows whole; of all others, columns are emptied.
    """
    done: dict[str, int] = {}
    for model in our_models():
        if hasattr(model, "expired"):
            done[model._meta.label] = model.expired().delete()[0]
    for model, column, rule in rules():
        field = model._meta.get_field(column)
        empty = None if field.null else ""
        due = rule.due(model).exclude(**{f"{column}__isnull": True} if field.null else {column: ""})
        done[f"{model._meta.label}.{column}"] = due.update(**{column: empty})
    return done
