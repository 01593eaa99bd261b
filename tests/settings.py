"""The program's own settings, in development, with what a test run needs to be fast and to leave nothing behind."""

import atexit
import os
import shutil
import tempfile

os.environ["DEVELOPMENT"] = "1"
# Never the caller's folder: each process of a run has one of its own.
os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="solidarity-tests-")
atexit.register(shutil.rmtree, os.environ["VAR_DIR"], ignore_errors=True)

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Nothing listens there: a test that sends asks for the fixture `sink`.
EMAIL_HOST, EMAIL_PORT = "127.0.0.1", 1
# Nor there: a test that looks names up asks for the fixture `names`.
DNS_RESOLVERS, DNS_TIMEOUT_SECONDS = ["127.0.0.1:1"], 0.2
# A test fills forms in faster than people do.
FORM_SECONDS = 0
BLOCKS_SECONDS = 0
BELL_SECONDS = 0
# Tests render pages without a collectstatic run.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and worker processes share it.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}  # noqa: F405
