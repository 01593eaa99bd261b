"""What no request of ours looks like is answered before Django reads it: Django would fail, or write it to disk."""

from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.utils.http import parse_header_parameters


def _declares_utf8(content_type: str) -> bool:
    """Whether the declared character set is UTF-8, or none: Django would decode even the query string by it."""
    try:
        charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    except (LookupError, ValueError):
        return False
    return charset.lower() in {"utf-8", "utf8"}


def refusal(environ: WSGIEnvironment) -> HTTPStatus | None:
    """Return with what status the request is to be refused, or None."""
    if not _declares_utf8(environ.get("CONTENT_TYPE", "")):
        return HTTPStatus.BAD_REQUEST
    length = environ.get("CONTENT_LENGTH") or ""
    if "HTTP_TRANSFER_ENCODING" in environ and not length:
        return HTTPStatus.LENGTH_REQUIRED
    # There is no form for files here, so the limit is one for all.
    if length.isdecimal() and int(length[:20]) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return None


def guarded(application: WSGIApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = refusal(environ)
        if status is None:
            return application(environ, start_response)
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain"), ("Connection", "close")])
        return [status.phrase.encode()]

    return answer
