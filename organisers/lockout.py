"""
How often somebody may fail to log in, with the password or with the second factor.

What failed is counted by three keyed tags: of the name that was typed, of the network, and of the browser, if this
person logged in with it before (a cookie of ours says so, and nothing else). In such a browser only its own failures
count. So an attacker, wherever they are and however long they go on, locks no organiser out of a browser that they
have used before, also not behind the same proxy; and who comes with a new one waits no longer than the attack lasts.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import ngettext

from limits.networks import client_address, network_tag
from organisers import auditing
from organisers.models import Attempt, AuditEntry, Factor
from privacy.tags import tag

WITHIN = timedelta(minutes=15)
# In a browser that this person has used before.
KNOWN_BROWSER = 10
# In any other: from one network at one name; from one network at all names; from everywhere at one name.
NETWORK_AT_NAME, NETWORK, NAME = 5, 20, 20
# Whoever gets so far knows the password: six digits are guessed one time in 300,000, so that days must not add up.
SECOND_FACTOR, SECOND_FACTOR_WITHIN = 10, timedelta(days=1)
REMEMBERED = timedelta(days=180)
_SALT = "organisers.lockout"


class Locked(Exception):
    """Nothing was looked at: too many attempts have failed, until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until

    @property
    def message(self) -> str | Promise:
        minutes = max(1, -(-int((self.until - timezone.now()).total_seconds()) // 60))
        if minutes > 120:
            hours = -(-minutes // 60)
            return ngettext(
                "Too many attempts failed. This one was not looked at. Try again in %(hours)d hour, or use a browser "
                "in which you have logged in before.",
                "Too many attempts failed. This one was not looked at. Try again in %(hours)d hours, or use a browser "
                "in which you have logged in before.",
                hours,
            ) % {"hours": hours}
        return ngettext(
            "Too many attempts failed. This one was not looked at. Try again in %(minutes)d minute, or use a browser "
            "in which you have logged in before.",
            "Too many attempts failed. This one was not looked at. Try again in %(minutes)d minutes, or use a browser "
            "in which you have logged in before.",
            minutes,
        ) % {"minutes": minutes}


def _name_tag(name: str) -> str:
    return tag("login name", name.strip().casefold())


def _cookie(name: str) -> str:
    return f"known-{_name_tag(name)[:16]}"


def _browser_tag(request: HttpRequest, name: str) -> str | None:
    """Return the tag of the browser if it is one in which `name` logged in before."""
    try:
        held = signing.loads(request.COOKIES.get(_cookie(name), ""), salt=_SALT, max_age=REMEMBERED)
    except signing.BadSignature:
        return None
    return tag("browser", held["browser"]) if held["name"] == _name_tag(name) else None


@contextmanager
def attempt(request: HttpRequest, name: str, factor: Factor) -> Iterator[None]:
    """
    Count what is inside as failed if it raises. Raises Locked, and does not enter, after too many failures.

    Counted before it is looked at: of many that come at the same moment, no more are let through than of those that
    come one after the other.
    """
    row = Attempt.objects.create(
        name_tag=_name_tag(name),
        network_tag=network_tag(client_address(request)),
        browser_tag=_browser_tag(request, name),
        factor=factor,
    )
    if until := _locked_until(row):
        row.delete()
        _tell(name, "locked out", factor)
        raise Locked(until)
    try:
        yield
    except BaseException:
        _tell(name, "failed to log in", factor)
        raise
    row.delete()


def _tell(name: str, act: str, factor: Factor) -> None:
    """
    Record what failed at an account that there is; of other names nothing is kept, they may be a mistyped password.

    A lock-out is told once in a while: whoever goes on knocking does not fill the record.
    """
    user = get_user_model().objects.filter(username=name.strip()).first()
    if user is None:
        return
    since = timezone.now() - WITHIN
    told = AuditEntry.objects.filter(act=act, model="auth.user", object_id=str(user.pk), at__gt=since)
    if told.count() < (1 if act == "locked out" else NAME):
        auditing.write(act, None, user, factor=factor.value)


def _locked_until(row: Attempt) -> datetime | None:
    return max(filter(None, (_full_until(*limit) for limit in _limits(row))), default=None)


def _limits(row: Attempt) -> Iterator[tuple[QuerySet[Attempt], int, timedelta]]:
    """Yield the attempts that count against this one, how many there may be, and within what time."""
    others = Attempt.objects.exclude(pk=row.pk)
    name, network = Q(name_tag=row.name_tag), Q(network_tag=row.network_tag)
    if row.browser_tag:
        yield others.filter(name, browser_tag=row.browser_tag), KNOWN_BROWSER, WITHIN
        return
    unknown = others.filter(browser_tag=None)
    yield unknown.filter(name, network), NETWORK_AT_NAME, WITHIN
    yield unknown.filter(network), NETWORK, WITHIN
    yield unknown.filter(name), NAME, WITHIN
    if row.factor == Factor.SECOND:
        yield unknown.filter(name, factor=Factor.SECOND), SECOND_FACTOR, SECOND_FACTOR_WITHIN


def _full_until(rows: QuerySet[Attempt], most: int, within: timedelta) -> datetime | None:
    since = timezone.now() - within
    times = rows.filter(created_at__gt=since).order_by("-created_at").values_list("created_at", flat=True)[:most]
    return times[most - 1] + within if len(times) == most else None


def forgive(request: HttpRequest, name: str) -> None:
    """Forget what failed at this name from here: the person has come in."""
    here = Q(network_tag=network_tag(client_address(request)), browser_tag=None)
    if browser := _browser_tag(request, name):
        here |= Q(browser_tag=browser)
    Attempt.objects.filter(here, name_tag=_name_tag(name)).delete()


def remember(response: HttpResponse, name: str) -> None:
    """Let the browser show, the next time, that this person has come in with it."""
    held: dict[str, Any] = {"name": _name_tag(name), "browser": secrets.token_urlsafe(16)}
    response.set_cookie(
        _cookie(name),
        signing.dumps(held, salt=_SALT),
        max_age=REMEMBERED,
        path="/admin/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
