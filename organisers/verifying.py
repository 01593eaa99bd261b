"""The second factor: which ones a person has, adding and removing them, and being let in by one."""

import time
from base64 import b32encode
from typing import Any

import segno
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django_otp import devices_for_user
from django_otp import login as otp_login
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp_webauthn.models import WebAuthnCredential

from organisers import auditing, lockout
from organisers.models import CodeApp
from organisers.sessions import BEGUN_AT
from privacy.tags import tag

RECOVERY_CODES = 10
# Who has only given the password has so long for the second factor.
HALFWAY_SECONDS = 15 * 60
# When this session's person last gave both, in seconds since 1970.
AUTHENTICATED_AT = "authenticated_at"


class LastFactor(Exception):
    """It is the person's last second factor: there must be another one first."""


def factors(user: Any) -> list[Device]:
    """Return the person's apps and passkeys; recovery codes are none, they only stand in for one."""
    return [
        *CodeApp.objects.filter(user_id=user.pk, confirmed=True).order_by("pk"),
        *WebAuthnCredential.objects.filter(user_id=user.pk, confirmed=True).order_by("pk"),
    ]


def passkeys(user: Any) -> bool:
    return WebAuthnCredential.objects.filter(user_id=user.pk, confirmed=True).exists()


def recovery_codes_left(user: Any) -> int:
    return StaticToken.objects.filter(device__user_id=user.pk, device__confirmed=True).count()


@transaction.atomic
def new_recovery_codes(user: Any) -> list[str]:
    """Return new recovery codes, which take the place of those before. Nobody can be shown them again."""
    _alone(user)
    StaticDevice.objects.filter(user_id=user.pk).delete()
    device = StaticDevice.objects.create(user_id=user.pk, name="recovery codes")
    codes = [StaticToken.random_token() for _code in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_code_tag(user, code)) for code in codes)
    auditing.write("recovery codes made", user.pk, user)
    return codes


def _code_tag(user: Any, code: str) -> str:
    """Return what is kept of a recovery code: as much of a keyed tag as django-otp's column holds, 64 bits."""
    return tag("recovery code", f"{user.pk}\0{code}")[:16]


def app_to_confirm(user: Any) -> CodeApp:
    """Return the app that the person is about to add: the same one until a code shows that it works."""
    device = CodeApp.objects.filter(user_id=user.pk, confirmed=False).order_by("pk").first()
    if device and not device.is_readable:  # its key is lost
        device.delete()
        device = None
    return device or CodeApp.objects.create(user_id=user.pk, name=_("App"), confirmed=False)


@transaction.atomic
def confirm_app(user: Any, code: str) -> CodeApp | None:
    """Add the app, if the code is its; else return None."""
    _alone(user)
    device = app_to_confirm(user)
    if not device.verify_token(_typed(code)):
        return None
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    auditing.write("second factor added", user.pk, user, factor=device._meta.verbose_name)
    return device


@transaction.atomic
def device_for(user: Any, code: str) -> Device | None:
    """Return the app or the list of recovery codes that `code` is of, if it is good. It is good once."""
    typed = _typed(code)
    for model, token in ((CodeApp, typed), (StaticDevice, _code_tag(user, typed))):
        for device in model.objects.devices_for_user(user, confirmed=True).select_for_update().order_by("pk"):
            if device.verify_token(token):
                return device
    return None


def _typed(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


@transaction.atomic
def remove(user: Any, persistent_id: str) -> None:
    """Remove one of the person's second factors. Raises LastFactor; what is not theirs is left alone."""
    _alone(user)
    mine = factors(user)
    for device in mine:
        if device.persistent_id == persistent_id:
            if len(mine) == 1:
                raise LastFactor
            device.delete()
            auditing.write("second factor removed", user.pk, user, factor=device._meta.verbose_name)


@transaction.atomic
def remove_all(user: Any) -> int:
    """Remove every second factor and recovery code of a person. Return how many of the former."""
    _alone(user)
    count = len(factors(user))
    for device in list(devices_for_user(user, confirmed=None)):
        device.delete()
    return count


def _alone(user: Any) -> None:
    """Let one change of this person's factors wait for the other."""
    get_user_model().objects.select_for_update().get(pk=user.pk)


def begin(request: HttpRequest) -> None:
    """The person has given the password, and no more: the session leads to the second factor only, and not for long."""
    request.session.set_expiry(HALFWAY_SECONDS)


def complete(request: HttpRequest, device: Device) -> None:
    """The person has given both factors: let them in, under a new session key."""
    was_inside = is_verified(request)
    otp_login(request, device)
    request.session.cycle_key()
    request.session.set_expiry(None)
    request.session[AUTHENTICATED_AT] = int(time.time())
    if not was_inside:  # the second factor given again makes no session younger
        request.session[BEGUN_AT] = request.session[AUTHENTICATED_AT]
    act = "authenticated again" if was_inside else "logged in"
    auditing.write(act, request.user.pk, by=device._meta.verbose_name)
    lockout.forgive(request, request.user.get_username())


def is_verified(request: HttpRequest) -> bool:
    """Whether an active organiser has come in by both factors."""
    user: Any = request.user
    return user.is_active and user.is_staff and user.is_verified()


def secret_of(device: CodeApp) -> str:
    """Return the secret as people type it into an app."""
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def picture_of(device: CodeApp) -> SafeString:
    """Return the secret as a QR code, black on white in every theme. It has no style: the pages allow none."""
    code = segno.make(device.config_url, error="m", micro=False)
    drawn = code.svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True, title=_("QR code"))
    return mark_safe(drawn)  # noqa: S308 - drawn by segno from numbers


def code_now(device: CodeApp) -> str:
    """Return the app's code of this moment, for a trial run in which nobody has an app at hand."""
    return device.code_at(time.time())
