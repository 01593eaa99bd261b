"""The table of the simplest design there is: a row for each mail, and a task for each row."""

from django.db import models

from privacy.registry import ALL


class Mail(models.Model):
    """A mail that a task of its own sends."""

    not_personal = ALL

    subject = models.CharField(max_length=255)
    body = models.TextField()
    from_email = models.CharField(max_length=255)
    to = models.CharField(max_length=255)
    reply_to = models.CharField(max_length=255)
    message_id = models.CharField(max_length=255, unique=True)
    sent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.message_id
