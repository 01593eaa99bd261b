"""When words were last changed, so that a translation that is behind can be told."""

from django.db import models
from django.utils import timezone

from privacy.registry import ALL


class TextChange(models.Model):
    """When the words of a row were last changed in a language, or found to be still right."""

    not_personal = ALL

    model = models.CharField(max_length=100)
    row = models.BigIntegerField()
    language = models.CharField(max_length=10)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "row", "language"], name="campaign_text_change_once")]

    def __str__(self) -> str:
        return f"{self.model} {self.row} ({self.language})"
