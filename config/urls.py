"""Every path of the site. English has no prefix, every other language has one."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

from campaign.views import media
from config import health

handler500 = "config.failing.server_error"
urlpatterns = [
    path("admin/", include("organisers.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("media/<str:name>", media, name="media"),
    path("dev/", include("outbox.urls")),
    *i18n_patterns(
        path("", include("donations.urls")),
        path("", include("protests.urls")),
        path("", include("campaign.urls")),
        prefix_default_language=False,
    ),
]
