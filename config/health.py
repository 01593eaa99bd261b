"""What watches over the program asks here: whether it lives, whether it can serve, and how it is doing."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from outbox.models import State, queues
from outbox.pacing import oldest_due
from privacy import purging
from protests.models import Letter, Signature
from protests.proving import newest_head

PLAIN = "text/plain; charset=utf-8"
# https://prometheus.io/docs/instrumenting/exposition_formats/
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process lives: it asks nothing else of the machine, so a broken database does not get it killed."""
    return HttpResponse("ok\n", content_type=PLAIN)


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Visitors can be sent here: the database answers and is migrated as far as the code. Else 503, with the reason."""
    reason = why_not_ready()
    return HttpResponse(f"{reason or 'ready'}\n", status=503 if reason else 200, content_type=PLAIN)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures in Prometheus's text format, for whoever has METRICS_TOKEN; a 404 for everybody else."""
    if not (settings.DEVELOPMENT or _has_token(request)):
        return HttpResponseNotFound("not found\n", content_type=PLAIN)
    return HttpResponse("".join(f"{line}\n" for line in figures()), content_type=PROMETHEUS)


def why_not_ready() -> str:
    """Return what is missing before the program can serve, or "" if nothing is."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"The database does not answer ({type(error).__name__})."
    return f"{len(missing)} migrations are not applied: run `manage.py migrate`." if missing else ""


def figures() -> Iterator[str]:
    """Yield the lines of the figures: mails by queue and state, the age of the oldest due mail, counted signatures."""
    now = timezone.now()
    yield "# HELP solidarity_mails Mails by queue and state."
    yield "# TYPE solidarity_mails gauge"
    for queue in queues():
        counts = dict(queue._default_manager.values_list("state").annotate(Count("pk")).order_by())
        for state in State.values:
            labels = f'queue="{queue._meta.label_lower}",state="{state}"'
            yield f"solidarity_mails{{{labels}}} {counts.get(state, 0)}"
    yield "# HELP solidarity_oldest_due_mail_seconds For how long the oldest mail whose turn has come has waited."
    yield "# TYPE solidarity_oldest_due_mail_seconds gauge"
    for queue in queues():
        oldest = oldest_due(queue)
        age = (now - oldest).total_seconds() if oldest else 0
        yield f'solidarity_oldest_due_mail_seconds{{queue="{queue._meta.label_lower}"}} {age:.0f}'
    yield "# HELP solidarity_purge_wrong 1 if what is past its date is not being deleted."
    yield "# TYPE solidarity_purge_wrong gauge"
    yield f"solidarity_purge_wrong {int(purging.alarm() is not None)}"
    if finished := purging.finished_at():
        yield "# HELP solidarity_purge_finished_timestamp_seconds When all that is past its date was last deleted."
        yield "# TYPE solidarity_purge_finished_timestamp_seconds gauge"
        yield f"solidarity_purge_finished_timestamp_seconds {finished.timestamp():.0f}"
    yield "# HELP solidarity_signatures Counted signatures by letter."
    yield "# TYPE solidarity_signatures gauge"
    counted = dict(Signature.objects.counted().values_list("letter").annotate(Count("pk")).order_by())
    for pk, slug in Letter.objects.order_by("pk").values_list("pk", "slug"):
        yield f'solidarity_signatures{{letter="{slug}"}} {counted.get(pk, 0)}'
    head = newest_head()
    yield "# HELP solidarity_letter_log_entries Entries of the log of accepted letters that are signed."
    yield "# TYPE solidarity_letter_log_entries gauge"
    yield f"solidarity_letter_log_entries {head.entries if head else 0}"
    yield "# HELP solidarity_letter_log_head_days For how many days the log of accepted letters was not signed."
    yield "# TYPE solidarity_letter_log_head_days gauge"
    yield f"solidarity_letter_log_head_days {max((now.date() - head.day).days, 0) if head else 0}"


def _has_token(request: HttpRequest) -> bool:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted = settings.METRICS_TOKEN
    return bool(wanted) and kind == "Bearer" and hmac.compare_digest(token.encode(), wanted.encode())
