"""The WSGI entry point that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from config.guarding import guarded
from config.page_cache import PageCache

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = guarded(PageCache(get_wsgi_application()))
