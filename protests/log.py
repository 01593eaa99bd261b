"""The public log of accepted letters: a page in plain words, its files, and the program that checks them."""

from threading import Semaphore
from typing import TypeVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import condition, require_safe

from campaign.cacheable import cacheable
from campaign.streaming import OneAtATime
from protests import proving
from protests.models import LetterLogHead
from protests.proving import PER_FILE

# What is full never changes again.
FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_MINUTE = "public, max-age=60"
LINES = "application/x-ndjson"
# So many files are listed one by one, and so many heads.
MOST_LISTED = 100
HEADS_SHOWN = 7
PROGRAM = settings.BASE_DIR / "tools" / "verify_log.py"
_TURN = Semaphore()
R = TypeVar("R", bound=HttpResponseBase)


@require_safe
@cacheable()
def log(request: HttpRequest) -> HttpResponse:
    entries, last_hash = proving.end()
    firsts = range(1, entries + 1, PER_FILE)
    context = {
        "entries": entries,
        "hash": last_hash,
        "files": [(first, min(first + PER_FILE - 1, entries)) for first in firsts[-MOST_LISTED:]],
        "more_files": len(firsts) > MOST_LISTED,
        "per_file": PER_FILE,
        "heads": list(LetterLogHead.objects.order_by("-day")[:HEADS_SHOWN]),
        "public_key": proving.public_key(),
        "live": settings.MAIL_LIVE,
    }
    return render(request, "protests/log.html", context)


def _etag(request: HttpRequest, **kwargs: int) -> str:
    return f'"{proving.end()[1][:32]}"'


@require_safe
@condition(etag_func=_etag)
def whole(request: HttpRequest) -> HttpResponseBase:
    """The whole log, an entry a line. Each process makes one at a time; the files below need no turn."""
    parts = OneAtATime(proving.lines(), _TURN)
    if not parts.is_ours:
        busy = _("Somebody else is downloading the log at this moment. Please try again in a minute.")
        headers = {"Retry-After": "60", "Cache-Control": "no-store"}
        return HttpResponse(busy, status=503, content_type="text/plain; charset=utf-8", headers=headers)
    response = StreamingHttpResponse(parts, content_type=LINES)
    return _file(response, "letter-log.jsonl", FOR_A_MINUTE)


def _part_etag(request: HttpRequest, first: int) -> str | None:
    entries, last_hash = proving.end()
    return f'"{last_hash[:32]}"' if first + PER_FILE > entries + 1 else None


@require_safe
@condition(etag_func=_part_etag)
def part(request: HttpRequest, first: int) -> HttpResponse:
    """A file of PER_FILE entries, which stays as it is once it is full."""
    entries, _hash = proving.end()
    if first % PER_FILE != 1 or first > entries:
        raise Http404
    last = min(first + PER_FILE - 1, entries)
    response = HttpResponse("".join(proving.lines(first, last)), content_type=LINES)
    is_full = last == first + PER_FILE - 1
    return _file(response, f"letter-log-{first}.jsonl", FOR_EVER if is_full else FOR_A_MINUTE)


@require_safe
def heads(request: HttpRequest) -> HttpResponse:
    """Where the log ended on each day, signed."""
    response = HttpResponse(proving.heads_as_json(), content_type="application/json")
    return _file(response, "letter-log-heads.json", FOR_A_MINUTE)


@require_safe
def program(request: HttpRequest) -> HttpResponse:
    """The program that checks log, heads and receipt on anybody's machine."""
    response = HttpResponse(PROGRAM.read_bytes(), content_type="text/x-python; charset=utf-8")
    return _file(response, "verify_log.py", FOR_A_MINUTE)


def _file(response: R, name: str, cache: str) -> R:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = cache
    response["X-Robots-Tag"] = "noindex"
    return response
