"""Coming in at the door as people do: by password and by an app's code."""

import time

from django.urls import reverse

from organisers.models import CodeApp
from tests.factories import OrganiserFactory

PASSWORD = "correct horse battery staple"


def organiser(username="ada", password=PASSWORD, **columns):
    """Return a person with a password, and no second factor yet."""
    user = OrganiserFactory.build(username=username, **columns)
    user.set_password(password)
    user.save()
    return user


def app_of(user):
    """Return the person's app, which is added if they have none."""
    return CodeApp.objects.get_or_create(user=user, confirmed=True, defaults={"name": "App"})[0]


def code_of(device, steps=0):
    """Return the code that the app shows now, or some steps of half a minute away."""
    return device.code_at(time.time() + steps * 30)


def give_password(client, user, password=PASSWORD, **more):
    return client.post(reverse("admin:login"), {"username": user.username, "password": password, **more})


def give_code(client, code, **more):
    return client.post(reverse("organisers:second_factor"), {"code": code, **more})


def come_in(client, user):
    """Log in by both factors, the real way."""
    give_password(client, user)
    answer = give_code(client, code_of(app_of(user)))
    assert answer.status_code == 302, answer.text
    return client


def come_in_by_browser(page, user, password=PASSWORD):
    """The same with a browser that stands at the login."""
    device = app_of(user)
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", password)
    page.click("[type=submit]")
    page.fill("[name=code]", code_of(device))
    page.click(".submit-row [type=submit]")
