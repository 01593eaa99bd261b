"""What is kept about people, in words for people: the registry of personal data as the page /privacy/ shows it."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import get_language_info, ngettext
from django.utils.translation import gettext_lazy as _

from privacy.fields import EncryptedTextField
from privacy.holding import Fact
from privacy.registry import Rule, rules

# A column whose own name would tell a reader nothing.
COLUMNS = {
    "email_tag": _("fingerprint of the e-mail address, which cannot be turned back into it"),
    "recipient_tag": _("fingerprint of the mailbox, which cannot be turned back into its address"),
    "counterparty_iban_tag": _("fingerprint of their account, which cannot be turned back into it"),
    "network_tag": _("fingerprint of the network, which cannot be turned back into its address"),
    "domain_tag": _("fingerprint of the mail domain, which cannot be turned back into it"),
    "name_tag": _("fingerprint of the name, the same for similar names"),
    "words_tag": _("fingerprint of the words, the same for similar words"),
    "token": _("secret part of the mailed link"),
}
# From when the days count, by the last part of a rule's `after`.
COUNTED_FROM = {
    "created_at": _("after it was written down"),
    "recorded_at": _("after it was recorded"),
    "submitted_at": _("after you sent it"),
    "stored_at": _("after it was stored"),
    "uploaded_at": _("after it was uploaded"),
    "confirmed_at": _("after you confirmed it"),
    "closed_at": _("after the letter is closed"),
    "expires_at": _("after its end"),
    "queued_at": _("after the mail was written"),
    "settled_at": _("after the mail was accepted or given up"),
    "deliveries__settled_at": _("after the last of your letters was accepted, refused or given up"),
    "unsubscribed_at": _("after you unsubscribe, at the latest"),
}


@dataclass(frozen=True)
class Column:
    """One personal column and its rule; any text may be lazy."""

    name: Any
    purpose: Any
    days: int
    counted_from: Any
    # Whatever else happens; None where the first date always comes.
    days_at_most: int | None
    at_most_from: Any
    encrypted: bool


@dataclass(frozen=True)
class Kind:
    """One kind of row that holds personal data. `confirmed_only`: rows that nobody confirms in time are deleted."""

    title: str
    columns: list[Column]
    confirmed_only: bool


def kept() -> list[Kind]:
    """Return each kind of row that holds personal data, with its columns."""
    found: dict[Any, Kind] = {}
    for model, name, rule in rules():
        field = model._meta.get_field(name)
        title = capfirst(str(model._meta.verbose_name_plural))
        kind = found.setdefault(model, Kind(title, [], confirmed_only=_needs_confirming(model)))
        most, since = rule.at_most or (None, "")
        kind.columns.append(
            Column(
                name=COLUMNS.get(name, getattr(field, "verbose_name", name)),
                purpose=rule.purpose,
                days=rule.days,
                counted_from=_counted_from(rule.after),
                days_at_most=most,
                at_most_from=_counted_from(since),
                encrypted=isinstance(field, EncryptedTextField),
            )
        )
    return list(found.values())


def _counted_from(path: str) -> Any:
    return COUNTED_FROM.get(path) or COUNTED_FROM.get(path.rpartition("__")[2], "")


def _needs_confirming(model: Any) -> bool:
    """Whether rows of it are deleted that nobody confirms; others may be deleted whole for another reason."""
    return hasattr(model, "expired") and any(field.name == "confirmed_at" for field in model._meta.fields)


# --- Of one person -------------------------------------------------------------------------------------------------


def fact(row: models.Model, column: str, *, shown: Any = None, label: Any = "") -> Fact:
    """Return what a column of this row holds, with its purpose and the day on which it goes."""
    field: Any = row._meta.get_field(column)
    value = getattr(row, column)
    rule: Rule | None = getattr(row, "personal", {}).get(column)
    if shown is None:
        shown = getattr(row, f"get_{column}_display")() if field.choices else value
        if column in {"language", "locale"}:
            shown = _language(value)
    if hasattr(value, "isoformat"):
        shown = date_format(localtime(value), "DATETIME_FORMAT") if hasattr(value, "hour") else date_format(value)
        value = value.isoformat()
    return Fact(
        key=column,
        label=label or COLUMNS.get(column, field.verbose_name),
        value=value,
        shown=shown,
        purpose=rule.purpose if rule else "",
        until=_until(rule, row) if rule else "",
    )


def _language(code: str) -> str:
    """Return a language's own name, or the code of one that the site no longer speaks."""
    return get_language_info(code)["name_local"] if code in dict(settings.LANGUAGES) else code


def _until(rule: Rule, row: models.Model) -> str:
    if ends := rule.ends(row):
        return _("on %(day)s") % {"day": date_format(localtime(ends), "DATE_FORMAT")}
    return ngettext("%(days)d day %(counted_from)s", "%(days)d days %(counted_from)s", rule.days) % {
        "days": rule.days,
        "counted_from": _counted_from(rule.after),
    }
