"""What no request of ours looks like is answered before Django reads it: Django would fail, or write it to disk."""

import re
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from io import BytesIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.utils.http import parse_header_parameters

_PIECE = 64 * 1024
READ_AWAY = 16 * 1024 * 1024


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
        return _take_chunks(environ)
    if length.isdecimal() and int(length[:20]) > _limit(environ):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return None


def _limit(environ: WSGIEnvironment) -> int:
    """Return how much this path takes. Few forms are for files, and for organisers alone."""
    path = environ.get("PATH_INFO", "")
    found = (size for ending, size in settings.UPLOAD_MAX_SIZES.items() if re.search(ending, path))
    return int(next(found, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


def _take_chunks(environ: WSGIEnvironment) -> HTTPStatus | None:
    """Read a body that does not say how long it is, as far as the limit; Django would take it for empty."""
    if not environ.get("wsgi.input_terminated"):  # this server does not tell where the body ends
        return HTTPStatus.LENGTH_REQUIRED
    try:
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    except OSError:  # gunicorn's errors about chunks are such, too
        return HTTPStatus.BAD_REQUEST
    if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    return None


def _words(status: HTTPStatus, limit: int) -> str:
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        megabytes = limit / 1024 / 1024
        return f"This is more than we take, {megabytes:.3g} MB. Nothing was kept. Please go back and shorten it."
    return f"We could not understand this request ({status.phrase}). Nothing was changed."


def _read_away(environ: WSGIEnvironment) -> None:
    """Take the rest of a refused body, unseen: who is still sending when the connection closes reads no answer."""
    with suppress(OSError):
        for _ in range(READ_AWAY // _PIECE):
            if not environ["wsgi.input"].read(_PIECE):
                return


def guarded(application: WSGIApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = refusal(environ)
        if status is None:
            return application(environ, start_response)
        _read_away(environ)
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [f"{_words(status, _limit(environ))}\n".encode()]

    return answer
