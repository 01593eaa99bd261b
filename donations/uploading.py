"""
A bank's file that an organiser uploads: kept as a row, shown before anything is booked, and imported by a worker.

The row holds the file only until it is imported, and never longer than its rule says.
"""

import base64
import json
from datetime import timedelta
from io import BytesIO
from typing import Any, BinaryIO

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from donations import importing
from donations.models import BankAccount, StatementUpload
from donations.statements import columns, reading
from donations.statements.columns import CsvMapping
from donations.statements.items import StatementError

State = StatementUpload.State

# What a browser sends in one piece; longer files are imported by the command.
MAXIMUM_BYTES = 10 * 1024 * 1024
# A worker that has not been heard of for so long is dead, and its transaction rolled back.
_DEAD_AFTER = timedelta(minutes=15)


def receive(account: BankAccount, file: BinaryIO, *, name: str, by: User | None) -> StatementUpload:
    """Keep an uploaded file. Raises StatementError if it cannot be a statement."""
    content = file.read(MAXIMUM_BYTES + 1)
    if len(content) > MAXIMUM_BYTES:
        raise StatementError(
            _("The file is larger than %(limit)s MB. Please export a shorter period.")
            % {"limit": MAXIMUM_BYTES // 1024 // 1024}
        )
    reading.format_of(BytesIO(content))
    account = importing.books_of(account)
    return StatementUpload.objects.create(
        account=account,
        file_name=name[-200:],
        content=base64.b64encode(content).decode(),
        language=translation.get_language() or "en",
        uploaded_by=by,
    )


def opened(upload: StatementUpload) -> BytesIO:
    return BytesIO(base64.b64decode(upload.content))


def mapping_of(upload: StatementUpload) -> CsvMapping | None:
    """Return how to read the file: as saved for the account, else as guessed; None unless it is CSV."""
    file = opened(upload)
    if reading.format_of(file) is not reading.Format.CSV:
        return None
    try:
        return importing.mapping_for(upload.account, file)
    except StatementError:
        return columns.guessed(file)


def start(upload: StatementUpload, mapping: CsvMapping | None) -> None:
    """Queue the file for import, and save the mapping for the account. Twice is once. Raises StatementError."""
    if mapping:
        importing.save_mapping(upload.account, mapping)
    waiting = StatementUpload.objects.filter(pk=upload.pk, state=State.PREVIEWED)
    waiting.update(state=State.QUEUED, changed_at=timezone.now())


def work() -> None:
    """Import what waits, and what a dead worker left."""
    left = Q(state=State.RUNNING, changed_at__lt=timezone.now() - _DEAD_AFTER)
    for upload in StatementUpload.objects.filter(Q(state=State.QUEUED) | left).order_by("pk"):
        mine = StatementUpload.objects.filter(pk=upload.pk, state=upload.state, changed_at=upload.changed_at)
        if mine.update(state=State.RUNNING, read_count=0, changed_at=timezone.now()):
            _import(upload)


def _import(upload: StatementUpload) -> None:
    row = StatementUpload.objects.filter(pk=upload.pk)

    def progress(step: str, lines: int) -> None:
        if step == "read":  # from then on all is one transaction, of which nobody sees anything before its end
            row.update(read_count=lines, changed_at=timezone.now())

    outcome: dict[str, Any]
    with translation.override(upload.language):
        try:
            reports = importing.import_file(
                opened(upload), upload.account, by=upload.uploaded_by, name=upload.file_name, progress=progress
            )
            state, outcome = State.DONE, {"reports": [_told(report) for report in reports]}
        except StatementError as error:
            state, outcome = State.FAILED, {"error": error.message, "line": error.line}
    row.update(state=state, outcome=json.dumps(outcome), content="", changed_at=timezone.now())


def _told(report: importing.Report) -> dict[str, Any]:
    return {
        "reference": report.reference,
        "currency": report.currency,
        "from_on": report.from_on.isoformat() if report.from_on else "",
        "to_on": report.to_on.isoformat() if report.to_on else "",
        "read": report.read,
        "new": report.new,
        "known": report.known,
        "rejected": report.rejected,
        "examples": [[example.at, example.text, example.reason] for example in report.examples],
    }


def outcome_of(upload: StatementUpload) -> dict[str, Any]:
    return dict(json.loads(upload.outcome)) if upload.outcome else {}
