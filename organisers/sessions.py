"""
The sessions of the desk, in the database: each has a greatest age and a longest idle time, and one owner.

SESSION_ENGINE names this module. An ended session is a row that is gone: the very next request is nobody's.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property

from organisers import auditing, models

BEGUN_AT, BROWSER = "begun_at", "browser"
# How exactly `seen_at` is kept: not every page that is read is worth a write.
SEEN_EVERY = timedelta(minutes=1)
_BROWSERS = (
    *(("Firefox/", "Firefox"), ("Edg", "Edge"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome")),
    *(("FxiOS/", "Firefox"), ("Safari/", "Safari")),
)
_SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS")),
    *(("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> Any:
        return models.Session

    @cached_property
    def model(self) -> Any:
        return self.get_model_class()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        row.browser = data.get(BROWSER, "")
        if BEGUN_AT in data:
            row.begun_at = datetime.fromtimestamp(data[BEGUN_AT], UTC)
        return row

    def _get_session_from_db(self) -> Any:
        now = timezone.now()
        row = models.Session.objects.alive().filter(session_key=self.session_key).first()
        if row is None:
            self._session_key = None
        elif row.seen_at < now - SEEN_EVERY:
            models.Session.objects.filter(pk=row.pk).update(seen_at=now)
        return row

    async def _aget_session_from_db(self) -> Any:
        return await sync_to_async(self._get_session_from_db)()


def begin(sender: Any, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Note when a session began and in what browser. Called by Django when somebody has logged in."""
    request.session[BEGUN_AT] = int(time.time())
    request.session[BROWSER] = coarse(request.headers.get("User-Agent", ""))


def coarse(user_agent: str) -> str:
    """Return what a person recognises of their browser, and nothing that would tell two alike apart."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    return " · ".join(filter(None, (browser, system)))


def sessions_of(user: AbstractBaseUser) -> list[models.Session]:
    """Return a person's living sessions, the last one used first; one begun under an older password is dead."""
    rows = models.Session.objects.alive().filter(user_id=user.pk).order_by("-seen_at")
    now = user.get_session_auth_hash()
    return [row for row in rows if row.get_decoded().get(HASH_SESSION_KEY) == now]


def end(user: AbstractBaseUser, *, handle: str = "", but: str | None = None) -> int:
    """
    End the session of `user` that is named by `handle`, or all; never the one with the key `but`.

    Return how many.
    """
    rows = models.Session.objects.filter(user_id=user.pk).exclude(session_key=but or "")
    keys = [row.session_key for row in rows if not handle or row.handle == handle]
    ended = models.Session.objects.filter(session_key__in=keys).delete()[1].get("organisers.Session", 0)
    if ended:
        auditing.write("sessions ended", None, user, sessions=ended)
    return ended


def left(sender: Any, user: Any, **kwargs: Any) -> None:
    """Record that somebody has logged out. Called by Django."""
    if user is not None and user.is_staff:
        auditing.write("logged out", user.pk)
