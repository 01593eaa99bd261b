"""Rows that nobody edits or deletes once they are posted, and the files that belong to them."""

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from donations import inserting
from privacy.fields import EncryptedTextField
from privacy.registry import Rule


class PostedError(Exception):
    """A posted row is never edited or deleted; a mistake is reversed (donations.posting)."""


class PostedQuerySet(models.QuerySet[Any]):
    """Refuses what would change posted rows, but for emptying what tells of a person. So do the database's triggers."""

    def update(self, **kwargs: Any) -> int:
        if not kwargs or not kwargs.keys() <= self.model.erasable or any(kwargs.values()):
            raise PostedError
        return super().update(**kwargs)

    def erase(self) -> int:
        """Empty every column that tells of a person; return in how many rows. No amount changes."""
        fields = [self.model._meta.get_field(name) for name in self.model.erasable]
        return self.update(**{field.name: None if field.null else "" for field in fields})

    def post(self, rows: "Sequence[Any]") -> list[Any]:
        """Insert many rows, checked as by save(), except for what the database's constraints alone hold."""
        inserting.check(rows)
        for row in rows:
            row.clean()
        self._for_write = True
        inserting.insert(rows, self.db)
        return list(rows)

    def delete(self) -> NoReturn:
        raise PostedError

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError  # it passes by the checks, and can overwrite

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise PostedError


class Posted(models.Model):
    """A row that is inserted once. Its database triggers stand in donations/triggers/."""

    # The columns that tell of a person, and may be emptied.
    erasable: ClassVar[frozenset[str]] = frozenset()

    objects = PostedQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Post the row: check it and insert it. Raises ValidationError, and PostedError if it is posted already."""
        if not self._state.adding:
            raise PostedError
        self.full_clean(validate_unique=False, validate_constraints=False)  # those the database alone decides
        super().save(force_insert=True, using=kwargs.get("using"))

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PostedError


def organiser_column(name: Any) -> Any:
    """Return a column for the organiser who did it; empty where the program or its operator did."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=name,
    )


class StoredFile(Posted):
    """A file that only organisers see: a photo of a counted sheet, a receipt. Its hash is public, and stays."""

    name = EncryptedTextField(_("name"), blank=True)
    media_type = models.CharField(_("kind of file"), max_length=100)
    # In Base64: the encrypted field holds text.
    content = EncryptedTextField(blank=True)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField(_("size in bytes"))
    stored_by = organiser_column(_("stored by"))
    stored_at = models.DateTimeField(_("stored"), default=timezone.now)

    erasable = frozenset({"name", "content"})
    personal: ClassVar = {
        "name": Rule(_("So that the books can be audited."), 3650, "stored_at"),
        "content": Rule(_("So that the books can be audited."), 3650, "stored_at"),
    }
    not_personal: ClassVar = frozenset({"id", "media_type", "sha256", "size", "stored_by", "stored_at"})

    class Meta(Posted.Meta):
        verbose_name = _("stored file")
        verbose_name_plural = _("stored files")
        constraints = [
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="donations_file_has_a_hash"),
        ]

    def __str__(self) -> str:
        return self.name or self.sha256
