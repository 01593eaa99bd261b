"""One task for each mail: load the row, send, update the row."""

from functools import lru_cache
from smtplib import SMTPServerDisconnected

from celery import shared_task
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from bench.models import Mail


def _send(pk: int, connection: BaseEmailBackend | None) -> None:
    mail = Mail.objects.get(pk=pk)
    EmailMessage(
        mail.subject,
        mail.body,
        mail.from_email,
        [mail.to],
        reply_to=[mail.reply_to],
        headers={"Message-ID": mail.message_id},
        connection=connection,
    ).send()
    mail.sent_at = timezone.now()
    mail.save(update_fields=["sent_at"])


@lru_cache(maxsize=1)
def _kept() -> BaseEmailBackend:
    connection = get_connection()
    connection.open()
    return connection


@shared_task
def send_mail(pk: int) -> None:
    """Send it the way Django's documentation does: each mail over a connection of its own."""
    _send(pk, None)


@shared_task
def send_mail_over_kept_connection(pk: int) -> None:
    connection = _kept()
    try:
        _send(pk, connection)
    except SMTPServerDisconnected:  # it was idle for too long
        connection.close()
        connection.open()
        _send(pk, connection)
