"""
What the pages and the form are measured against: the smallest Django project there is, with no middleware.

One view says hello; one reads a posted form and inserts one row in one transaction. `gunicorn bench.bare` serves it.
"""

import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

if not settings.configured:
    database = {**environ.Env.db_url_config(environ.Env().str("DATABASE_URL")), "CONN_MAX_AGE": 60}
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DATABASES={"default": database}, USE_TZ=True)
    application = get_wsgi_application()

from django.db import models, transaction
from django.utils import timezone


class Row(models.Model):
    name = models.CharField(max_length=100)
    email = models.CharField(max_length=254)
    country = models.CharField(max_length=2)
    own_words = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "bare"

    def __str__(self) -> str:
        return self.name


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


@transaction.atomic
def insert(request: HttpRequest) -> HttpResponse:
    Row.objects.create(**{name: request.POST[name] for name in ("name", "email", "country", "own_words")})
    return HttpResponse("thank you")


urlpatterns = [path("hello/", hello), path("insert/", insert)]
