"""Every path of the site. English has no prefix, every other language has one."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    *i18n_patterns(
        prefix_default_language=False,
    ),
]
