"""The program's own settings, with what it is compared to. The workers that send its letters run without these."""

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS, LOGGING, env

INSTALLED_APPS = [*INSTALLED_APPS, "post_office", "bench"]
# The same tables, with a million letters of the past in them.
DATABASES["history"] = {**DATABASES["default"], "NAME": "history"}
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
POST_OFFICE = {"CELERY_ENABLED": True}
# Unless it is told so, Celery opens a new database connection for every task.
CELERY_CELERY_DB_REUSE_MAX = CELERY_DB_REUSE_MAX = env.int("BENCH_DB_REUSE_MAX", default=0)
# It would tell of every batch, through a handler that it adds unless it has one.
LOGGING["loggers"]["post_office"] = {"level": "WARNING", "handlers": ["stderr"], "propagate": False}
